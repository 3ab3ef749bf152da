/** The brush: a disc in the plane or a ball, in millimetres, drawn along the pointer's way. */

import { type Axis, type Grid, offsetOf, type Plane, throughAxis, type Vec3 } from '../space'

export interface Tip {
  readonly shape: 'disc' | 'ball'
  /** Diameter in millimetres. */
  readonly mm: number
}

export const SIZES: readonly number[] = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40]

/** The next size up or down. */
export function nextSize(mm: number, step: 1 | -1): number {
  const larger = SIZES.filter((size) => size > mm)[0] ?? mm
  const smaller = SIZES.filter((size) => size < mm).at(-1) ?? mm
  return step === 1 ? larger : smaller
}

/** Calls `touch` for every voxel under the tip at a point; the voxel of the point always. */
export function stamp(grid: Grid, plane: Plane, tip: Tip, at: Vec3, touch: (offset: number) => void): void {
  const { shape, spacing } = grid
  const radius = tip.mm / 2
  const through = throughAxis(plane)
  const reach = (axis: Axis) => (tip.shape === 'disc' && axis === through ? 0 : radius / spacing[axis])
  const from = (axis: Axis) => Math.max(0, Math.ceil(at[axis] - reach(axis)))
  const to = (axis: Axis) => Math.min(shape[axis] - 1, Math.floor(at[axis] + reach(axis)))
  const centre: Vec3 = [Math.round(at[0]), Math.round(at[1]), Math.round(at[2])]
  const inGrid = ([0, 1, 2] as const).every((axis) => centre[axis] >= 0 && centre[axis] < shape[axis])
  if (inGrid) touch(offsetOf(centre, shape))
  for (let z = from(2); z <= to(2); z++) {
    for (let y = from(1); y <= to(1); y++) {
      for (let x = from(0); x <= to(0); x++) {
        const [dx, dy, dz] = [(x - at[0]) * spacing[0], (y - at[1]) * spacing[1], (z - at[2]) * spacing[2]]
        if (dx * dx + dy * dy + dz * dz <= radius * radius) touch(offsetOf([x, y, z], shape))
      }
    }
  }
}

/** Stamps along a line, closely enough that a quick hand leaves no gaps. */
export function sweep(
  grid: Grid,
  plane: Plane,
  tip: Tip,
  way: readonly [Vec3, Vec3],
  touch: (offset: number) => void,
): void {
  const [from, to] = way
  const mm = (axis: Axis) => (to[axis] - from[axis]) * grid.spacing[axis]
  const length = Math.hypot(mm(0), mm(1), mm(2))
  const steps = Math.max(1, Math.ceil(length / Math.max(0.5, tip.mm / 4)))
  for (let i = 0; i <= steps; i++) {
    const share = i / steps
    const between = (axis: Axis) => from[axis] + (to[axis] - from[axis]) * share
    stamp(grid, plane, tip, [between(0), between(1), between(2)], touch)
  }
}
