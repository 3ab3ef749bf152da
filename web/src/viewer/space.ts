/** Voxels, millimetres and the three planes. Every volume of the page is in RAS order: x to the right, y to the front, z upwards. */

export type Vec3 = readonly [number, number, number]
export type Axis = 0 | 1 | 2
export type Plane = 'axial' | 'coronal' | 'sagittal'
export const PLANES: readonly Plane[] = ['axial', 'coronal', 'sagittal']

/** Radiological: the patient's right is on the left of the screen. */
export type Convention = 'radiological' | 'neurological'

/** The three rows of a voxel → RAS millimetre matrix, four numbers each. */
export type Affine = readonly [Row, Row, Row]
export type Row = readonly [number, number, number, number]

/** What a volume's voxels mean in space. */
export interface Grid {
  readonly shape: Vec3
  readonly spacing: Vec3
  readonly affine: Affine
}

/** The axis that a plane's slices are numbered along. */
export function throughAxis(plane: Plane): Axis {
  switch (plane) {
    case 'axial':
      return 2
    case 'coronal':
      return 1
    case 'sagittal':
      return 0
  }
}

/** The axes that run across and along the screen. */
export function paneAxes(plane: Plane): readonly [Axis, Axis] {
  switch (plane) {
    case 'axial':
      return [0, 1]
    case 'coronal':
      return [0, 2]
    case 'sagittal':
      return [1, 2]
  }
}

/** `v` with one coordinate replaced. */
export function withAxis(v: Vec3, axis: Axis, value: number): Vec3 {
  return [axis === 0 ? value : v[0], axis === 1 ? value : v[1], axis === 2 ? value : v[2]]
}

/** The nearest voxel inside the grid. */
export function clampVoxel(v: Vec3, shape: Vec3): Vec3 {
  const inside = (axis: Axis) => Math.min(shape[axis] - 1, Math.max(0, Math.round(v[axis])))
  return [inside(0), inside(1), inside(2)]
}

/** Where a voxel's value lies in a volume's array: x runs fastest. */
export function offsetOf(v: Vec3, shape: Vec3): number {
  return v[0] + shape[0] * (v[1] + shape[1] * v[2])
}

/** The voxel of an offset: the inverse of `offsetOf`. */
export function voxelOf(offset: number, shape: Vec3): Vec3 {
  const x = offset % shape[0]
  const rest = (offset - x) / shape[0]
  const y = rest % shape[1]
  return [x, y, (rest - y) / shape[1]]
}

/** How far apart two neighbours along an axis lie in the array. */
export function strideOf(axis: Axis, shape: Vec3): number {
  return axis === 0 ? 1 : axis === 1 ? shape[0] : shape[0] * shape[1]
}

export function voxelCount(shape: Vec3): number {
  return shape[0] * shape[1] * shape[2]
}

/** Millimetres right, front and up of a voxel. */
export function toWorld(affine: Affine, v: Vec3): Vec3 {
  const along = (row: Row) => row[0] * v[0] + row[1] * v[1] + row[2] * v[2] + row[3]
  return [along(affine[0]), along(affine[1]), along(affine[2])]
}

export function sameVec(a: Vec3, b: Vec3): boolean {
  return a[0] === b[0] && a[1] === b[1] && a[2] === b[2]
}

/** A grid that only a shape and a spacing are known of, in RAS order: enough to lay out panes before a volume is there. */
export function plainGrid(shape: Vec3, spacing: Vec3): Grid {
  return {
    shape,
    spacing,
    affine: [
      [spacing[0], 0, 0, 0],
      [0, spacing[1], 0, 0],
      [0, 0, spacing[2], 0],
    ],
  }
}

/** Whether voxels run from right to left on the screen: as readers of radiology have it, and the nose to the left in sagittal slices. */
export function mirrored(plane: Plane, convention: Convention): boolean {
  return plane === 'sagittal' || convention === 'radiological'
}
