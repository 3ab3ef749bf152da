/** One slice out of a volume, as grey or coloured pixels. Pixels run along the pane's axes; the canvas turns them. */

import type { Rgb } from './palette'
import { type Plane, paneAxes, strideOf, throughAxis, type Vec3 } from './space'
import type { Values } from './volume'

export interface Window {
  readonly lo: number
  readonly hi: number
}

export interface Pixels {
  readonly width: number
  readonly height: number
  readonly rgba: Uint8ClampedArray<ArrayBuffer>
}

export interface SliceWay {
  readonly width: number
  readonly height: number
  readonly start: number
  readonly stepU: number
  readonly stepV: number
}

/** Where the voxels of a slice lie in a volume's array. */
export function sliceWay(shape: Vec3, plane: Plane, index: number): SliceWay {
  const [u, v] = paneAxes(plane)
  const through = throughAxis(plane)
  return {
    width: shape[u],
    height: shape[v],
    start: index * strideOf(through, shape),
    stepU: strideOf(u, shape),
    stepV: strideOf(v, shape),
  }
}

function pixelsOf(shape: Vec3, plane: Plane): Pixels {
  const [u, v] = paneAxes(plane)
  return { width: shape[u], height: shape[v], rgba: new Uint8ClampedArray(4 * shape[u] * shape[v]) }
}

/** The slice in grey, from the window's black to its white. */
export function greySlice(values: Values, shape: Vec3, plane: Plane, index: number, window: Window): Pixels {
  const out = pixelsOf(shape, plane)
  const { start, stepU, stepV } = sliceWay(shape, plane, index)
  const gain = 255 / Math.max(1e-6, window.hi - window.lo)
  let to = 0
  for (let v = 0; v < out.height; v++) {
    for (let u = 0, at = start + v * stepV; u < out.width; u++, at += stepU) {
      const grey = ((values[at] ?? 0) - window.lo) * gain
      out.rgba[to] = grey
      out.rgba[to + 1] = grey
      out.rgba[to + 2] = grey
      out.rgba[to + 3] = 255
      to += 4
    }
  }
  return out
}

/** The codes of a slice, one byte a pixel. */
export function codeSlice(values: Uint8Array, shape: Vec3, plane: Plane, index: number): Uint8Array<ArrayBuffer> {
  const { width, height, start, stepU, stepV } = sliceWay(shape, plane, index)
  const codes = new Uint8Array(width * height)
  let to = 0
  for (let v = 0; v < height; v++) {
    for (let u = 0, at = start + v * stepV; u < width; u++, at += stepU) codes[to++] = values[at] ?? 0
  }
  return codes
}

/** The codes as coloured pixels; codes without a colour stay clear. */
export function colourSlice(
  codes: Uint8Array,
  width: number,
  height: number,
  colours: readonly (Rgb | null)[],
): Pixels {
  const rgba = new Uint8ClampedArray(4 * width * height)
  for (let i = 0; i < codes.length; i++) {
    const colour = colours[codes[i] ?? 0]
    if (!colour) continue
    rgba[4 * i] = colour[0]
    rgba[4 * i + 1] = colour[1]
    rgba[4 * i + 2] = colour[2]
    rgba[4 * i + 3] = 255
  }
  return { width, height, rgba }
}
