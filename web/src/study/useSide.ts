import { type Dispatch, useCallback, useMemo } from 'react'
import type { Study, Triple } from '../api/types'
import { useSettings } from '../app/settings'
import type { Library } from '../viewer/library'
import { type Profile, profileOf } from '../viewer/profile'
import { plainGrid } from '../viewer/space'
import { useWords } from '../words/useWords'
import { type Pair, type PairChange, type SideOf, sceneOf } from './pair'
import type { Look } from './paneScene'
import { previewUrl } from './preview'
import type { Change } from './scene'
import { useLibrary, useRevision } from './useLibrary'
import { useMasks } from './useMasks'
import { useVolumes } from './useVolumes'

/** A study of which the server has images. */
export interface SeenStudy extends Study {
  shape: Triple
  spacing: Triple
}

export interface ShownSide {
  library: Library
  look: Look
  profile: Profile | null
}

/** One of two studies beside each other: its volumes, its newest mask, and where the reader is in it. */
export function useSide(study: SeenStudy, pair: Pair, which: SideOf, dispatch: Dispatch<PairChange>): ShownSide {
  const words = useWords()
  const settings = useSettings()
  const library = useLibrary()
  const revision = useRevision(library)
  const scene = useMemo(() => sceneOf(pair, which), [pair, which])
  const shown = study.segmentations.reduce<Study['segmentations'][number] | null>(
    (newest, row) => (newest && newest.number > row.number ? newest : row),
    null,
  )
  const versions = useMemo(() => ({ shown, against: null, edited: false }), [shown])
  const masks = useMasks(library, versions, 0, revision)
  const onGrid = useCallback(
    (change: Change) => {
      if (change.kind === 'grid') dispatch({ kind: 'grid', side: which, shape: change.shape })
    },
    [dispatch, which],
  )
  const volume = useVolumes({ library, series: study.series, revision }, scene, onGrid)
  const labels = masks.shown ? library.labels(masks.shown) : null
  const placed = volume?.grid ?? labels?.grid ?? null
  const grid = useMemo(() => placed ?? plainGrid(scene.shape, study.spacing), [placed, scene.shape, study.spacing])
  const profile = useMemo(() => (labels ? profileOf(labels.values, labels.grid.shape) : null), [labels])
  const previewed = scene.mask.shown && !labels ? shown : null
  const look = useMemo<Look>(
    () => ({
      scene,
      grid,
      placed: placed !== null,
      series: study.series,
      settings,
      words,
      masks,
      preview: previewUrl(previewed),
      fit: study.brain,
      revision,
    }),
    [scene, grid, placed, study.series, study.brain, settings, words, masks, previewed, revision],
  )
  return { library, look, profile }
}
