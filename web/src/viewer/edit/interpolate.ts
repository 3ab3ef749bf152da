/** Fills slices between drawn ones: shapes are blended by their signed distances. */

import { codeSlice, sliceWay } from '../slice'
import { type Grid, type Plane, paneAxes, throughAxis } from '../space'

/** The offsets that belong to `code` in the empty slices between slices that have it. */
export function between(labels: Uint8Array, grid: Grid, plane: Plane, code: number): Uint32Array<ArrayBuffer> {
  const count = grid.shape[throughAxis(plane)]
  const drawn: number[] = []
  for (let slice = 0; slice < count; slice++) {
    if (codeSlice(labels, grid.shape, plane, slice).includes(code)) drawn.push(slice)
  }
  const found: number[] = []
  for (const [i, from] of drawn.entries()) {
    const to = drawn[i + 1]
    if (to !== undefined && to > from + 1) fillGap(labels, grid, { plane, code, from, to }, found)
  }
  return Uint32Array.from(found)
}

interface Gap {
  readonly plane: Plane
  readonly code: number
  readonly from: number
  readonly to: number
}

function fillGap(labels: Uint8Array, grid: Grid, gap: Gap, found: number[]): void {
  const { plane, code, from, to } = gap
  const [u, v] = paneAxes(plane)
  const spacing: readonly [number, number] = [grid.spacing[u], grid.spacing[v]]
  const distances = (slice: number) => {
    const inside = codeSlice(labels, grid.shape, plane, slice).map((value) => (value === code ? 1 : 0))
    return signedDistance(inside, grid.shape[u], grid.shape[v], spacing)
  }
  const [before, after] = [distances(from), distances(to)]
  for (let slice = from + 1; slice < to; slice++) {
    const share = (slice - from) / (to - from)
    const way = sliceWay(grid.shape, plane, slice)
    for (let i = 0; i < before.length; i++) {
      if ((before[i] ?? 0) * (1 - share) + (after[i] ?? 0) * share > 0) continue
      found.push(way.start + (i % way.width) * way.stepU + Math.floor(i / way.width) * way.stepV)
    }
  }
}

/** Millimetres to the border, negative inside; half a pixel is taken off so that both sides are alike. */
export function signedDistance(
  inside: Uint8Array,
  width: number,
  height: number,
  spacing: readonly [number, number],
): Float64Array {
  const out = squaredDistance(inside, width, height, spacing)
  const within = squaredDistance(
    inside.map((value) => 1 - value),
    width,
    height,
    spacing,
  )
  const half = Math.min(...spacing) / 2
  return out.map((d, i) => (inside[i] ? half - Math.sqrt(within[i] ?? 0) : Math.sqrt(d) - half))
}

/** Exact squared distances to the marked pixels (Felzenszwalb and Huttenlocher), a pass along each axis. */
function squaredDistance(
  marked: Uint8Array,
  width: number,
  height: number,
  spacing: readonly [number, number],
): Float64Array {
  const far = (width * spacing[0]) ** 2 + (height * spacing[1]) ** 2
  const grid = Float64Array.from(marked, (value) => (value ? 0 : far))
  for (let y = 0; y < height; y++) lowerEnvelope(grid, y * width, 1, width, spacing[0])
  for (let x = 0; x < width; x++) lowerEnvelope(grid, x, width, height, spacing[1])
  return grid
}

function lowerEnvelope(grid: Float64Array, start: number, stride: number, count: number, spacing: number): void {
  const f = Float64Array.from({ length: count }, (_, i) => grid[start + i * stride] ?? 0)
  const at = (i: number) => (f[i] ?? 0) + (i * spacing) ** 2
  const roots: number[] = [0]
  const bounds: number[] = [Number.NEGATIVE_INFINITY]
  for (let q = 1; q < count; q++) {
    let meet = 0
    for (;;) {
      const p = roots.at(-1) ?? 0
      meet = (at(q) - at(p)) / (2 * spacing * spacing * (q - p))
      if (meet > (bounds.at(-1) ?? 0) || roots.length === 1) break
      roots.pop()
      bounds.pop()
    }
    roots.push(q)
    bounds.push(meet)
  }
  for (let q = 0, k = 0; q < count; q++) {
    while (k + 1 < roots.length && (bounds[k + 1] ?? 0) < q) k++
    const p = roots[k] ?? 0
    grid[start + q * stride] = ((q - p) * spacing) ** 2 + (f[p] ?? 0)
  }
}
