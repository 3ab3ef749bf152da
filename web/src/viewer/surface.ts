/** The surface of a mask as triangles: naive surface nets, one point a border cell, smoothed by averaging the crossings. */

import type { Affine, Axis, Vec3 } from './space'
import { toWorld } from './space'

export interface Mesh {
  /** x, y, z in RAS millimetres of each point. */
  readonly points: Float32Array<ArrayBuffer>
  readonly triangles: Uint32Array<ArrayBuffer>
}

export interface Solid {
  readonly shape: Vec3
  readonly affine: Affine
  /** Positive inside. */
  readonly inside: Uint8Array
}

/** Halves a solid until it has at most `most` voxels: a surface on a screen needs no more. */
export function coarsen(solid: Solid, most: number): Solid {
  const [nx, ny, nz] = solid.shape
  if (nx * ny * nz <= most) return solid
  const shape: Vec3 = [Math.ceil(nx / 2), Math.ceil(ny / 2), Math.ceil(nz / 2)]
  const inside = new Uint8Array(shape[0] * shape[1] * shape[2])
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      const to = shape[0] * ((y >> 1) + shape[1] * (z >> 1))
      for (let x = 0, at = nx * (y + ny * z); x < nx; x++, at++) {
        if (solid.inside[at]) inside[to + (x >> 1)] = 1
      }
    }
  }
  const row = (r: Affine[number]): Affine[number] => [2 * r[0], 2 * r[1], 2 * r[2], r[3] + (r[0] + r[1] + r[2]) / 2]
  return coarsen({ shape, affine: [row(solid.affine[0]), row(solid.affine[1]), row(solid.affine[2])], inside }, most)
}

/** The surface; empty where nothing is inside. */
export function surfaceOf({ shape, affine, inside }: Solid): Mesh {
  const cells: Vec3 = [shape[0] + 1, shape[1] + 1, shape[2] + 1]
  const at = (x: number, y: number, z: number): number =>
    x < 0 || y < 0 || z < 0 || x >= shape[0] || y >= shape[1] || z >= shape[2]
      ? 0
      : inside[x + shape[0] * (y + shape[1] * z)]
        ? 1
        : 0
  const numbers = new Int32Array(cells[0] * cells[1] * cells[2]).fill(-1)
  const cellOf = (x: number, y: number, z: number) => x + cells[0] * (y + cells[1] * z)
  const points: number[] = []
  const corners = new Uint8Array(8)
  // Cell (x, y, z) lies between the voxels (x-1, y-1, z-1) and (x, y, z).
  for (let z = 0; z < cells[2]; z++) {
    for (let y = 0; y < cells[1]; y++) {
      for (let x = 0; x < cells[0]; x++) {
        let sum = 0
        for (let i = 0; i < 8; i++) {
          const value = at(x - 1 + (i & 1), y - 1 + ((i >> 1) & 1), z - 1 + (i >> 2))
          corners[i] = value
          sum += value
        }
        if (sum === 0 || sum === 8) continue
        const middle = crossing(corners)
        numbers[cellOf(x, y, z)] = points.length / 3
        points.push(...toWorld(affine, [x - 1 + middle[0], y - 1 + middle[1], z - 1 + middle[2]]))
      }
    }
  }
  return { points: Float32Array.from(points), triangles: Uint32Array.from(facesOf(shape, at, numbers, cellOf)) }
}

/** The mean of the points where a cell's edges cross the border. */
function crossing(corners: Uint8Array): Vec3 {
  let [x, y, z, n] = [0, 0, 0, 0]
  for (let i = 0; i < 8; i++) {
    for (const bit of [1, 2, 4]) {
      const j = i ^ bit
      if (j < i || corners[i] === corners[j]) continue
      x += ((i & 1) + (j & 1)) / 2
      y += (((i >> 1) & 1) + ((j >> 1) & 1)) / 2
      z += ((i >> 2) + (j >> 2)) / 2
      n++
    }
  }
  return [x / n, y / n, z / n]
}

type At = (x: number, y: number, z: number) => number

/** Two triangles for each pair of neighbours of which one is inside. */
function facesOf(shape: Vec3, at: At, numbers: Int32Array, cellOf: At): number[] {
  const triangles: number[] = []
  const quad = (a: number, b: number, c: number, d: number, outwards: boolean) => {
    const n = (cell: number) => numbers[cell] ?? 0
    if (outwards) triangles.push(n(a), n(b), n(c), n(a), n(c), n(d))
    else triangles.push(n(a), n(c), n(b), n(a), n(d), n(c))
  }
  for (let z = -1; z < shape[2]; z++) {
    for (let y = -1; y < shape[1]; y++) {
      for (let x = -1; x < shape[0]; x++) {
        const here = at(x, y, z)
        const cell = (dx: number, dy: number, dz: number) => cellOf(x + dx, y + dy, z + dz)
        if (here !== at(x + 1, y, z)) quad(cell(1, 0, 0), cell(1, 1, 0), cell(1, 1, 1), cell(1, 0, 1), here === 1)
        if (here !== at(x, y + 1, z)) quad(cell(0, 1, 0), cell(0, 1, 1), cell(1, 1, 1), cell(1, 1, 0), here === 1)
        if (here !== at(x, y, z + 1)) quad(cell(0, 0, 1), cell(1, 0, 1), cell(1, 1, 1), cell(0, 1, 1), here === 1)
      }
    }
  }
  return triangles
}

/** The box of what is inside, with a margin of one voxel, cut out: surfaces of small tumours on large grids cost little. */
export function cropped(solid: Solid): Solid {
  const [nx, ny, nz] = solid.shape
  const low = [nx, ny, nz]
  const high = [-1, -1, -1]
  const widen = (axis: Axis, from: number, to: number) => {
    low[axis] = Math.min(low[axis] ?? 0, from)
    high[axis] = Math.max(high[axis] ?? 0, to)
  }
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      const line = solid.inside.subarray(nx * (y + ny * z), nx * (y + 1 + ny * z))
      const first = line.findIndex((value) => value !== 0)
      if (first < 0) continue
      let last = nx - 1
      while (!line[last]) last--
      widen(0, first, last)
      widen(1, y, y)
      widen(2, z, z)
    }
  }
  const [lx, ly, lz] = [low[0] ?? 0, low[1] ?? 0, low[2] ?? 0]
  const shape: Vec3 = [(high[0] ?? 0) - lx + 1, (high[1] ?? 0) - ly + 1, (high[2] ?? 0) - lz + 1]
  if (shape[0] <= 0) return { ...solid, shape: [0, 0, 0], inside: new Uint8Array(0) }
  const inside = new Uint8Array(shape[0] * shape[1] * shape[2])
  let to = 0
  for (let z = 0; z < shape[2]; z++) {
    for (let y = 0; y < shape[1]; y++) {
      const from = lx + nx * (y + ly + ny * (z + lz))
      inside.set(solid.inside.subarray(from, from + shape[0]), to)
      to += shape[0]
    }
  }
  const origin = toWorld(solid.affine, [lx, ly, lz])
  const row = (r: 0 | 1 | 2): Affine[number] => {
    const [a, b, c] = solid.affine[r]
    return [a, b, c, origin[r]]
  }
  return { shape, inside, affine: [row(0), row(1), row(2)] }
}
