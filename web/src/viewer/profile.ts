/** Where the tumour is: its area in each slice of each axis, and the slices worth jumping to. */

import { type Grid, offsetOf, strideOf, type Vec3 } from './space'

export type Profile = readonly [Float64Array, Float64Array, Float64Array]

/** Labelled voxels per slice along x, y and z. */
export function profileOf(values: Uint8Array, shape: Vec3): Profile {
  const [nx, ny, nz] = shape
  const profile: Profile = [new Float64Array(nx), new Float64Array(ny), new Float64Array(nz)]
  const [px, py, pz] = profile
  for (let z = 0, at = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      let line = 0
      for (let x = 0; x < nx; x++, at++) {
        if (values[at] === 0) continue
        px[x] = (px[x] ?? 0) + 1
        line++
      }
      py[y] = (py[y] ?? 0) + line
      pz[z] = (pz[z] ?? 0) + line
    }
  }
  return profile
}

export interface Stops {
  readonly first: number
  readonly last: number
  readonly largest: number
}

/** First, last and largest slice with tumour; null where there is none. */
export function stopsOf(areas: Float64Array): Stops | null {
  let first = -1
  let last = -1
  let largest = 0
  for (const [slice, area] of areas.entries()) {
    if (area === 0) continue
    if (first < 0) first = slice
    last = slice
    if (area > (areas[largest] ?? 0)) largest = slice
  }
  return first < 0 ? null : { first, last, largest }
}

/** The middle of the tumour in its largest axial slice, moved onto the tumour where the middle is outside of it. */
export function tumourCentre(values: Uint8Array, shape: Vec3): Vec3 | null {
  const stops = stopsOf(profileOf(values, shape)[2])
  if (!stops) return null
  const start = stops.largest * strideOf(2, shape)
  const [nx, ny] = shape
  let [sumX, sumY, count] = [0, 0, 0]
  for (let i = 0; i < nx * ny; i++) {
    if (!values[start + i]) continue
    sumX += i % nx
    sumY += Math.floor(i / nx)
    count++
  }
  const middle: Vec3 = [Math.round(sumX / count), Math.round(sumY / count), stops.largest]
  return values[offsetOf(middle, shape)] ? middle : nearestInSlice(values, shape, middle)
}

function nearestInSlice(values: Uint8Array, shape: Vec3, to: Vec3): Vec3 {
  let nearest = to
  let best = Number.POSITIVE_INFINITY
  for (let y = 0; y < shape[1]; y++) {
    for (let x = 0; x < shape[0]; x++) {
      const distance = (x - to[0]) ** 2 + (y - to[1]) ** 2
      if (distance >= best || !values[offsetOf([x, y, to[2]], shape)]) continue
      best = distance
      nearest = [x, y, to[2]]
    }
  }
  return nearest
}

export interface Millilitres {
  readonly ncr: number
  readonly ed: number
  readonly et: number
  readonly wt: number
  readonly tc: number
}

/** The volumes of a mask, as the reader's edits change them. */
export function millilitresOf(values: Uint8Array, grid: Grid): Millilitres {
  const counts = [0, 0, 0, 0]
  for (let i = 0; i < values.length; i++) {
    const code = values[i]
    if (code) counts[code] = (counts[code] ?? 0) + 1
  }
  const voxel = (grid.spacing[0] * grid.spacing[1] * grid.spacing[2]) / 1000
  const [ncr, ed, et] = [(counts[1] ?? 0) * voxel, (counts[2] ?? 0) * voxel, (counts[3] ?? 0) * voxel]
  return { ncr, ed, et, wt: ncr + ed + et, tc: ncr + et }
}

/** The profile as an SVG path over a track `width` by `height`, mirrored where the slider runs the other way. */
export function profilePath(areas: Float64Array, width: number, height: number): string {
  const top = areas.reduce((most, area) => Math.max(most, area), 0)
  if (top === 0) return ''
  const step = width / Math.max(1, areas.length - 1)
  const points = Array.from(
    areas,
    (area, i) => `${(i * step).toFixed(1)} ${(height - (area / top) * height).toFixed(1)}`,
  )
  return `M0 ${height}L${points.join('L')}L${width} ${height}Z`
}
