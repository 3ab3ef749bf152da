import { type Dispatch, useCallback } from 'react'
import { sweep } from '../viewer/edit/brush'
import { areaAt, reachesEdge } from '../viewer/edit/fill'
import { allows } from '../viewer/edit/rule'
import type { Library } from '../viewer/library'
import type { Deeds } from '../viewer/paneGestures'
import { clampVoxel, offsetOf, type Vec3 } from '../viewer/space'
import type { Values } from '../viewer/volume'
import type { PaneSpec } from './arrangement'
import type { Editing } from './Editing'
import { type Look, seriesOf } from './paneScene'
import type { Change } from './scene'

interface Hands {
  look: Look
  library: Library
  editing: Editing
  dispatch: Dispatch<Change>
  /** Makes the shown version editable; false where it cannot be. */
  begin: () => boolean
  onPick: (seed: Vec3) => void
  /** A fill was asked for outside of any outline. */
  onOpenArea: () => void
}

/** What gestures on a pane do to the scene and to the mask. */
export function useDeeds({
  look,
  library,
  editing,
  dispatch,
  begin,
  onPick,
  onOpenArea,
}: Hands): (spec: PaneSpec) => Deeds {
  return useCallback(
    (spec) => {
      const { scene, grid } = look
      const { tip, tissue, rule } = scene.brush
      const image: Values | null = library.volume(seriesOf(look.series, spec.sequence)?.url ?? '')?.values ?? null
      const go = (at: Vec3) => dispatch({ kind: 'cursor', at: clampVoxel(at, grid.shape) })
      return {
        cursor: go,
        step: (by) => dispatch({ kind: 'step', plane: spec.plane, by }),
        window: (window) => dispatch({ kind: 'window', sequence: spec.sequence, window }),
        zoom: (zoom) => dispatch({ kind: 'zoom', plane: spec.plane, zoom }),
        ruler: (from, to, end) => {
          dispatch({ kind: 'ruler', ruler: { plane: spec.plane, from, to }, end })
        },
        paint: (from, to, deed, phase) => {
          if (phase === 'begin' ? !begin() : !editing.drawing) return
          if (phase === 'end' || phase === 'abandon') {
            if (phase === 'end') editing.lift()
            else editing.abandon()
            return
          }
          editing.draw((stroke, labels) => {
            const may = allows(deed === 'erase' ? { ...rule, over: 'everything' } : rule, labels.values, image)
            const code = deed === 'erase' ? 0 : tissue
            sweep(grid, spec.plane, tip, [from, to], (at) => {
              if (may(at)) stroke.set(at, code)
            })
          })
        },
        fill: (at, erase) => {
          if (!begin()) return
          const seed = clampVoxel(at, grid.shape)
          editing.step((stroke, labels) => {
            const area = areaAt(labels.values, grid.shape, spec.plane, seed)
            if (labels.values[offsetOf(seed, grid.shape)] === 0 && reachesEdge(area, grid.shape, spec.plane)) {
              onOpenArea()
              return
            }
            const may = allows(rule, labels.values, image)
            for (const offset of area) if (may(offset)) stroke.set(offset, erase === 'erase' ? 0 : tissue)
          })
        },
        pick: (at) => onPick(clampVoxel(at, grid.shape)),
        hover: () => undefined,
        probe: () => undefined,
        enlarge: () => {
          if (spec.slice !== null) dispatch({ kind: 'slice', plane: spec.plane, index: spec.slice })
          if (scene.layout === 'sequences' || scene.layout === 'reading')
            dispatch({ kind: 'sequence', sequence: spec.sequence })
          dispatch({ kind: 'enlarge', plane: spec.plane })
        },
      }
    },
    [look, library, editing, dispatch, begin, onPick, onOpenArea],
  )
}
