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

/** Calls `touch` for every voxel that the tip passes on its way from one point to another, however quick the hand. */
export function sweep(
  grid: Grid,
  plane: Plane,
  tip: Tip,
  way: readonly [Vec3, Vec3],
  touch: (offset: number) => void,
): void {
  const [from, to] = way
  const { shape, spacing } = grid
  const radius = tip.mm / 2
  const through = throughAxis(plane)
  const reach = (axis: Axis) => (tip.shape === 'disc' && axis === through ? 0 : radius / spacing[axis])
  const low = (axis: Axis) => Math.max(0, Math.ceil(Math.min(from[axis], to[axis]) - reach(axis)))
  const high = (axis: Axis) => Math.min(shape[axis] - 1, Math.floor(Math.max(from[axis], to[axis]) + reach(axis)))
  const [x1, y1, z1] = [high(0), high(1), high(2)]
  for (let z = low(2); z <= z1; z++) {
    for (let y = low(1); y <= y1; y++) {
      for (let x = low(0); x <= x1; x++) {
        if (distanceToWay([x, y, z], way, spacing) <= radius) touch(offsetOf([x, y, z], shape))
      }
    }
  }
  // A tip smaller than a voxel still paints the voxel under the pointer.
  const end: Vec3 = [Math.round(to[0]), Math.round(to[1]), Math.round(to[2])]
  if (([0, 1, 2] as const).every((axis) => end[axis] >= 0 && end[axis] < shape[axis])) touch(offsetOf(end, shape))
}

/** Millimetres from a voxel to the line between two points. */
function distanceToWay(voxel: Vec3, [from, to]: readonly [Vec3, Vec3], spacing: Vec3): number {
  const mm = (a: Vec3, b: Vec3, axis: Axis) => (b[axis] - a[axis]) * spacing[axis]
  const [wx, wy, wz] = [mm(from, to, 0), mm(from, to, 1), mm(from, to, 2)]
  const [px, py, pz] = [mm(from, voxel, 0), mm(from, voxel, 1), mm(from, voxel, 2)]
  const length = wx * wx + wy * wy + wz * wz
  const share = length === 0 ? 0 : Math.min(1, Math.max(0, (px * wx + py * wy + pz * wz) / length))
  return Math.hypot(px - share * wx, py - share * wy, pz - share * wz)
}
