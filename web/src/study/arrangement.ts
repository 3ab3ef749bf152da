/** Which panes a layout has. */

import type { SequenceKey } from '../api/types'
import type { Stops } from '../viewer/profile'
import { type Plane, throughAxis } from '../viewer/space'
import { drawnSequence, type Scene } from './scene'

export interface PaneSpec {
  readonly key: string
  readonly plane: Plane
  readonly sequence: SequenceKey
  readonly mask: 'shown' | 'against' | 'difference'
  /** A slice of its own; null follows the crosshair. */
  readonly slice: number | null
  /** A slider below and words inside; small panes have neither. */
  readonly small: boolean
}

export interface Arrangement {
  readonly columns: number
  readonly rows: number
  readonly panes: readonly PaneSpec[]
  readonly surface: boolean
}

const MOSAIC = { columns: 5, rows: 4 }

/** The panes of the scene's layout; `stops` says where the tumour is along the scene's plane. */
export function arrangementOf(scene: Scene, stops: Stops | null): Arrangement {
  const sequence = drawnSequence(scene)
  const pane = (plane: Plane, more: Partial<PaneSpec> = {}): PaneSpec => ({
    key: [plane, more.sequence ?? '', more.mask ?? '', more.slice ?? ''].join(' '),
    plane,
    sequence,
    mask: 'shown',
    slice: null,
    small: false,
    ...more,
  })
  const three = [pane('axial'), pane('coronal'), pane('sagittal')]
  const { plane } = scene
  switch (scene.layout) {
    case 'four':
      return { columns: 2, rows: 2, panes: three, surface: true }
    case 'three':
      return { columns: 3, rows: 1, panes: three, surface: false }
    case 'single':
      return { columns: 1, rows: 1, panes: [pane(plane)], surface: false }
    case 'reading': {
      const there = (['t1c', 't2f'] as const).filter((key) => scene.sequences.includes(key))
      const read = there.length > 0 ? there : [sequence]
      return { columns: read.length, rows: 1, panes: read.map((key) => pane(plane, { sequence: key })), surface: false }
    }
    case 'sequences':
      return {
        columns: 2,
        rows: 2,
        panes: scene.sequences.map((key) => pane(plane, { sequence: key })),
        surface: false,
      }
    case 'mosaic':
      return {
        ...MOSAIC,
        panes: mosaicSlices(scene, stops).map((slice) => pane(plane, { slice, small: true })),
        surface: false,
      }
    case 'compare':
      return {
        columns: 3,
        rows: 1,
        panes: [pane(plane), pane(plane, { mask: 'against' }), pane(plane, { mask: 'difference' })],
        surface: false,
      }
  }
}

/** Evenly spread slices over the tumour with a margin, or over the middle of the volume; from the top down, as films hang. */
export function mosaicSlices(scene: Scene, stops: Stops | null): readonly number[] {
  const count = scene.shape[throughAxis(scene.plane)]
  const wanted = Math.min(count, MOSAIC.columns * MOSAIC.rows)
  const margin = 3
  let [from, to] = stops
    ? [stops.first - margin, stops.last + margin]
    : [Math.round(count * 0.15), Math.round(count * 0.85)]
  if (to - from < wanted - 1) {
    const middle = Math.round((from + to) / 2)
    from = middle - Math.floor(wanted / 2)
    to = from + wanted - 1
  }
  if (from < 0) [from, to] = [0, Math.max(to - from, wanted - 1)]
  if (to > count - 1) [from, to] = [Math.max(0, from - (to - count + 1)), count - 1]
  const slices = Array.from({ length: wanted }, (_, i) =>
    Math.round(from + ((to - from) * i) / Math.max(1, wanted - 1)),
  )
  return scene.plane === 'sagittal' ? slices : slices.reverse()
}
