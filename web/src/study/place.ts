/** Where someone is, as the query of an address, and back. Left and right are never in it: that is the reader's own setting. */

import type { SequenceKey } from '../api/types'
import { clampVoxel, PLANES, type Vec3 } from '../viewer/space'
import { LAYOUTS, type Scene } from './scene'

const SEQUENCES: readonly SequenceKey[] = ['t1n', 't1c', 't2w', 't2f']

export function placeOf(scene: Scene): string {
  const query = new URLSearchParams({
    seq: scene.sequence,
    at: scene.cursor.join('-'),
    layout: scene.layout,
    plane: scene.plane,
  })
  if (scene.version) query.set('version', scene.version)
  if (scene.against) query.set('against', scene.against)
  return query.toString()
}

/** The scene with what an address says; what it does not say, or says wrongly, stays. */
export function atPlace(scene: Scene, search: string): Scene {
  const query = new URLSearchParams(search)
  const sequence = SEQUENCES.find((key) => key === query.get('seq') && scene.sequences.includes(key))
  const layout = [...LAYOUTS, 'single' as const].find((key) => key === query.get('layout'))
  const plane = PLANES.find((key) => key === query.get('plane'))
  return {
    ...scene,
    sequence: sequence ?? scene.sequence,
    layout: layout ?? scene.layout,
    plane: plane ?? scene.plane,
    cursor: voxelIn(query.get('at'), scene.shape) ?? scene.cursor,
    version: query.get('version') ?? scene.version,
    against: query.get('against') ?? scene.against,
  }
}

function voxelIn(text: string | null, shape: Vec3): Vec3 | null {
  const [x, y, z, more] = (text ?? '').split('-').map((part) => (/^\d{1,5}$/.test(part) ? Number(part) : Number.NaN))
  if (x === undefined || y === undefined || z === undefined || more !== undefined) return null
  return [x, y, z].some(Number.isNaN) ? null : clampVoxel([x, y, z], shape)
}
