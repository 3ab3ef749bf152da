/** A volume in RAS order, and the way back to the order of its file. */

import { type Affine, type Axis, type Grid, type Row, type Vec3, voxelCount } from './space'

export type Values =
  | Uint8Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>

export interface Volume {
  readonly grid: Grid
  readonly values: Values
  readonly source: Source
}

/** Labels of the same grid: 0 background, 1 necrotic, 2 oedema, 3 enhancing. */
export interface Labels {
  readonly grid: Grid
  readonly values: Uint8Array<ArrayBuffer>
  readonly source: Source
}

/** How the file was laid out, so that a mask can be written on the file's own grid. */
export interface Source {
  readonly header: Uint8Array<ArrayBuffer>
  readonly turn: Turn
}

/** `axes[r]` is the file's axis that runs along RAS axis r; `flips[r]` says that it runs the other way. */
export interface Turn {
  readonly axes: readonly [Axis, Axis, Axis]
  readonly flips: readonly [boolean, boolean, boolean]
  readonly shape: Vec3
}

/** The turn that brings a file's axes nearest to right, front and up. */
export function turnOf(affine: Affine, shape: Vec3): Turn {
  const orders: readonly (readonly [Axis, Axis, Axis])[] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ]
  const length = (axis: Axis) => Math.hypot(affine[0][axis], affine[1][axis], affine[2][axis]) || 1
  const likeness = (order: readonly [Axis, Axis, Axis]) =>
    Math.abs(affine[0][order[0]]) / length(order[0]) +
    Math.abs(affine[1][order[1]]) / length(order[1]) +
    Math.abs(affine[2][order[2]]) / length(order[2])
  let axes: readonly [Axis, Axis, Axis] = [0, 1, 2]
  for (const order of orders) if (likeness(order) > likeness(axes) + 1e-9) axes = order
  return {
    axes,
    flips: [affine[0][axes[0]] < 0, affine[1][axes[1]] < 0, affine[2][axes[2]] < 0],
    shape,
  }
}

/** The grid after the turn: the same points in space, named by RAS indices. */
export function turnedGrid(affine: Affine, turn: Turn): Grid {
  const { axes, flips, shape } = turn
  const row = (r: Axis): Row => {
    const old = affine[r]
    const column = (i: Axis) => (flips[i] ? -old[axes[i]] : old[axes[i]])
    const shift = (i: Axis) => (flips[i] ? old[axes[i]] * (shape[axes[i]] - 1) : 0)
    return [column(0), column(1), column(2), old[3] + shift(0) + shift(1) + shift(2)]
  }
  const rows: Affine = [row(0), row(1), row(2)]
  const length = (i: Axis) => Math.hypot(rows[0][i], rows[1][i], rows[2][i])
  return {
    shape: [shape[axes[0]], shape[axes[1]], shape[axes[2]]],
    spacing: [length(0), length(1), length(2)],
    affine: rows,
  }
}

interface Walk {
  readonly start: number
  readonly steps: Vec3
  readonly shape: Vec3
}

/** Where each RAS voxel lies in the file: a start and a step along each RAS axis. */
function walk(turn: Turn): Walk {
  const fileSteps: Vec3 = [1, turn.shape[0], turn.shape[0] * turn.shape[1]]
  const step = (i: Axis) => (turn.flips[i] ? -fileSteps[turn.axes[i]] : fileSteps[turn.axes[i]])
  const from = (i: Axis) => (turn.flips[i] ? fileSteps[turn.axes[i]] * (turn.shape[turn.axes[i]] - 1) : 0)
  return {
    start: from(0) + from(1) + from(2),
    steps: [step(0), step(1), step(2)],
    shape: [turn.shape[turn.axes[0]], turn.shape[turn.axes[1]], turn.shape[turn.axes[2]]],
  }
}

/** Calls `row` for each line of voxels along x: its offset in RAS order and in the file. */
function eachLine({ start, steps, shape }: Walk, line: (ras: number, file: number) => void): void {
  for (let z = 0; z < shape[2]; z++) {
    for (let y = 0; y < shape[1]; y++) {
      line(shape[0] * (y + shape[1] * z), start + y * steps[1] + z * steps[2])
    }
  }
}

/** Copies values from the file's order into RAS order. */
export function intoRas<T extends Values>(file: T, ras: T, turn: Turn): T {
  const way = walk(turn)
  const [nx] = way.shape
  const step = way.steps[0]
  // Lines that lie together in the file, in either direction, are most files: they are copied whole, ten times as fast.
  if (step === 1) eachLine(way, (to, from) => ras.set(file.subarray(from, from + nx), to))
  else if (step === -1) {
    eachLine(way, (to, from) => {
      ras.set(file.subarray(from - nx + 1, from + 1), to)
      ras.subarray(to, to + nx).reverse()
    })
  } else {
    eachLine(way, (to, from) => {
      for (let x = 0, at = from; x < nx; x++, at += step) ras[to + x] = file[at] ?? 0
    })
  }
  return ras
}

/** Copies labels from RAS order back into the file's order: the inverse of `intoRas`. */
export function intoFile(ras: Uint8Array, turn: Turn): Uint8Array<ArrayBuffer> {
  const file = new Uint8Array(voxelCount(turn.shape))
  const way = walk(turn)
  const [nx] = way.shape
  const step = way.steps[0]
  eachLine(way, (from, to) => {
    for (let x = 0, at = to; x < nx; x++, at += step) file[at] = ras[from + x] ?? 0
  })
  return file
}

/** The RAS voxel of a voxel as the file counts it. */
export function rasVoxel(file: Vec3, turn: Turn): Vec3 {
  const along = (i: Axis) => {
    const axis = turn.axes[i]
    return turn.flips[i] ? turn.shape[axis] - 1 - file[axis] : file[axis]
  }
  return [along(0), along(1), along(2)]
}
