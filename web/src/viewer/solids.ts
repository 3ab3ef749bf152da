/** Which voxels a surface is drawn around. */

import { coarsen, cropped, type Mesh, type Solid, surfaceOf } from './surface'
import type { Labels, Volume } from './volume'

const FINEST = 600_000
const SHELL = 260_000

/** The surface around the voxels with one of `codes`. */
export function tissueMesh(labels: Labels, codes: readonly number[]): Mesh {
  const belongs = Uint8Array.from({ length: 256 }, (_, code) => (codes.includes(code) ? 1 : 0))
  const inside = new Uint8Array(labels.values.length)
  for (let i = 0; i < inside.length; i++) inside[i] = belongs[labels.values[i] ?? 0] ?? 0
  return meshOf({ shape: labels.grid.shape, affine: labels.grid.affine, inside }, FINEST)
}

/** The surface around everything that is not background: the brain, where the skull is stripped. */
export function brainMesh(volume: Volume): Mesh {
  const inside = new Uint8Array(volume.values.length)
  for (let i = 0; i < inside.length; i++) if ((volume.values[i] ?? 0) !== 0) inside[i] = 1
  return meshOf({ shape: volume.grid.shape, affine: volume.grid.affine, inside }, SHELL)
}

function meshOf(solid: Solid, most: number): Mesh {
  const part = cropped(solid)
  return part.inside.length === 0
    ? { points: new Float32Array(0), triangles: new Uint32Array(0) }
    : surfaceOf(coarsen(part, most))
}
