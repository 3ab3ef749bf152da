/** Connected parts of a mask, joined over faces, edges and corners. */

import { offsetOf, type Vec3, voxelOf } from './space'

/** Which codes belong together: all tumour, or one tissue. */
export type Belongs = (code: number) => boolean
export const TUMOUR: Belongs = (code) => code !== 0

/** The offsets of the part that holds `seed`, in the order found; empty where the seed does not belong. */
export function componentAt(values: Uint8Array, shape: Vec3, seed: Vec3, belongs: Belongs): Uint32Array<ArrayBuffer> {
  const start = offsetOf(seed, shape)
  if (!belongs(values[start] ?? 0)) return new Uint32Array(0)
  const seen = new Uint8Array(values.length)
  return flood(values, shape, start, belongs, seen)
}

export interface Part {
  readonly voxels: Uint32Array<ArrayBuffer>
  readonly seed: Vec3
}

/** All parts, largest first. */
export function componentsOf(values: Uint8Array, shape: Vec3, belongs: Belongs): readonly Part[] {
  const seen = new Uint8Array(values.length)
  const parts: Part[] = []
  for (let at = 0; at < values.length; at++) {
    const code = values[at] ?? 0
    if (code === 0 || seen[at] || !belongs(code)) continue
    parts.push({ voxels: flood(values, shape, at, belongs, seen), seed: voxelOf(at, shape) })
  }
  return parts.sort((a, b) => b.voxels.length - a.voxels.length)
}

function flood(
  values: Uint8Array,
  shape: Vec3,
  start: number,
  belongs: Belongs,
  seen: Uint8Array,
): Uint32Array<ArrayBuffer> {
  const found: number[] = [start]
  seen[start] = 1
  for (let next = 0; next < found.length; next++) {
    const [x, y, z] = voxelOf(found[next] ?? 0, shape)
    for (let k = Math.max(0, z - 1); k <= Math.min(shape[2] - 1, z + 1); k++) {
      for (let j = Math.max(0, y - 1); j <= Math.min(shape[1] - 1, y + 1); j++) {
        for (let i = Math.max(0, x - 1); i <= Math.min(shape[0] - 1, x + 1); i++) {
          const at = i + shape[0] * (j + shape[1] * k)
          if (seen[at] || !belongs(values[at] ?? 0)) continue
          seen[at] = 1
          found.push(at)
        }
      }
    }
  }
  return Uint32Array.from(found)
}
