import { type Dispatch, useCallback, useEffect, useMemo, useReducer, useState } from 'react'
import type { Study, Triple, Volumes } from '../api/types'
import { useMayEdit } from '../api/useRole'
import { useSettings } from '../app/settings'
import { toast } from '../ui/Toasts'
import type { Library } from '../viewer/library'
import { millilitresOf, type Profile, profileOf } from '../viewer/profile'
import { plainGrid, sameVec, type Vec3 } from '../viewer/space'
import type { Labels } from '../viewer/volume'
import { useWords } from '../words/useWords'
import type { Look } from './paneScene'
import { atPlace } from './place'
import { previewUrl } from './preview'
import { type Change, opened, reduce, type Scene } from './scene'
import { type Edits, useEdits } from './useEdits'
import { useLibrary, useRevision } from './useLibrary'
import { useMasks, type Versions, versionsOf } from './useMasks'
import { usePlace } from './usePlace'
import { useVolumes } from './useVolumes'

/** One opened study: what is looked at, what is loaded, what is edited. */
export interface Workspace {
  scene: Scene
  dispatch: Dispatch<Change>
  library: Library
  look: Look
  /** The mask on screen; null while there is none. */
  labels: Labels | null
  profile: Profile | null
  versions: Versions
  edits: Edits
  /** Makes the mask on screen editable, or says why it is not. */
  begin: () => boolean
  /** Volumes after the edits and in the version that they began from. */
  volumes: { now: Volumes; before: Volumes } | null
  mayEdit: boolean
}

export function useWorkspace(study: Study, shape: Triple, spacing: Triple): Workspace {
  const words = useWords()
  const settings = useSettings()
  const library = useLibrary()
  const revision = useRevision(library)
  const [scene, dispatch] = useReducer(reduce, null, () => {
    const cursor: Vec3 = study.centre ?? [shape[0] >> 1, shape[1] >> 1, shape[2] >> 1]
    const start = opened({ shape, cursor, sequences: study.series.map((one) => one.sequence) })
    return atPlace(start, window.location.search)
  })
  usePlace(scene)
  useFirstMask(study, scene.cursor, dispatch)
  const volume = useVolumes({ library, series: study.series, revision }, scene, dispatch)
  const edits = useEdits(study, library)
  const versions = versionsOf(scene, study.segmentations, edits.state)
  const masks = useMasks(library, versions, edits.state.steps, revision)

  const { shape: drawnShape } = scene
  const labels = masks.shown ? library.labels(masks.shown) : null
  const placed = volume?.grid ?? labels?.grid ?? null
  const grid = useMemo(() => placed ?? plainGrid(drawnShape, spacing), [placed, drawnShape, spacing])
  // The server draws the mask into its picture only until the mask itself is there.
  const previewed = scene.mask.shown && !labels ? versions.shown : null
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
  // Voxels change in place, and the steps say when: not while the hand still draws.
  const { steps } = edits.state
  const profile = useMemo(() => (labels ? profileOf(labels.values, labels.grid.shape) : null), [labels, steps])
  const volumes = useEditedVolumes(study, edits)
  const { begin: beginEdits } = edits
  const { shown } = versions
  const seen = scene.mask.shown
  const begin = useCallback(() => {
    const begun = beginEdits(shown, volume)
    if (begun === 'not there') toast({ text: words.t('study.wait') })
    else if (begun === 'elsewhere') {
      const back = () => dispatch({ kind: 'version', version: null })
      toast({ text: words.t('study.elsewhere'), action: { label: words.t('study.show_edits'), run: back } })
    }
    // Nobody paints into a mask that is hidden.
    else if (!seen) dispatch({ kind: 'mask', mask: { shown: true } })
    return begun === 'begun'
  }, [beginEdits, shown, volume, seen, words])
  const mayEdit = useMayEdit()
  return { scene, dispatch, library, look, labels, profile, versions, edits, begin, volumes, mayEdit }
}

/** The model's first mask moves the crosshair onto the tumour, but only for a reader who has not gone anywhere yet. */
function useFirstMask({ centre, segmentations }: Study, cursor: Vec3, dispatch: Dispatch<Change>): void {
  const [known, setKnown] = useState({ centre, masks: segmentations.length })
  const masks = segmentations.length
  useEffect(() => {
    if (known.masks > 0 || masks === 0) return
    setKnown({ centre, masks })
    const still = known.centre !== null && sameVec(cursor, known.centre)
    if (still && centre && segmentations[0]?.source !== 'edit') dispatch({ kind: 'cursor', at: centre })
  }, [centre, masks, segmentations, known, cursor, dispatch])
}

const NOTHING: Volumes = { ncr: 0, ed: 0, et: 0, wt: 0, tc: 0 }

/** Counted anew after each step, not while the hand still draws; null where nothing differs from the version. */
function useEditedVolumes(study: Study, edits: Edits): Workspace['volumes'] {
  const { steps, parent, changed } = edits.state
  const mask = edits.editing.labels
  // Voxels change in place, and the steps say when.
  const now = useMemo(() => (changed && mask ? millilitresOf(mask.values, mask.grid) : null), [changed, steps, mask])
  const before = parent === null ? NOTHING : (study.segmentations.find((row) => row.id === parent)?.ml ?? null)
  return useMemo(() => (now && before ? { now, before } : null), [now, before])
}
