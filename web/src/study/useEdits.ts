import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type RefObject, useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { sendBytes, silence } from '../api/client'
import { queries } from '../api/queries'
import type { SegmentationRow, Study } from '../api/types'
import type { Library } from '../viewer/library'
import { readLabels, writeLabels } from '../viewer/nifti'
import type { Labels, Volume } from '../viewer/volume'
import { broughtBack, DraftKeeper, type Found, type Kept } from './drafts'
import { Editing, type EditState } from './Editing'
import type { Place } from './shelves'

/** Whether the mask on screen can be changed: not while others' edits wait, not before its voxels are there. */
export type Begun = 'begun' | 'elsewhere' | 'not there'

export interface Edits {
  editing: Editing
  state: EditState
  /** Makes a version editable, or an empty mask on the grid of `on` where there is none. */
  begin: (shown: SegmentationRow | null, on: Volume | null) => Begun
  save: (note: string) => Promise<SegmentationRow>
  /** Lets go of the edits; gives the way back. */
  discard: () => () => void
  kept: Kept
  /** Where the server has other edits, from another tab: these are kept in their place. */
  overwrite: () => void
  /** Or those are gone on with; gives the way back, null where they are not there any more, and throws where no answer came. */
  takeOther: () => Promise<(() => void) | null>
}

/** The edits of a study: begun from the shown version or from nothing, kept as a draft at every step, saved as a new version. */
export function useEdits(study: Study, library: Library): Edits {
  const client = useQueryClient()
  const [editing] = useState(() => new Editing(library))
  const state = useSyncExternalStore(
    (listener) => editing.subscribe(listener),
    () => editing.state,
  )
  const { kept, keeper, drop } = useDraft(study, editing, state)

  const begin = useCallback(
    (shown: SegmentationRow | null, on: Volume | null): Begun => {
      const parent = shown?.id ?? null
      if (editing.state.open) {
        if (editing.state.parent === parent) return 'begun'
        if (editing.state.changed) return 'elsewhere'
      }
      const labels = shown ? library.labels(shown.labels_url) : emptyOn(on)
      if (!labels) return 'not there'
      editing.begin(parent, labels)
      return 'begun'
    },
    [editing, library],
  )

  const save = useCallback(
    async (note: string) => {
      const { labels, mark } = editing
      const { parent } = editing.state
      if (!labels) throw new Error('there is nothing to save')
      const bytes = await writeLabels(labels.values, labels.source)
      const body = new Blob([bytes], { type: 'application/gzip' })
      await keeper.current?.settled()
      // Only the draft of these edits ends with the version, not one that another tab has kept.
      const known = keeper.current?.known ?? 'none'
      const row = await sendBytes<SegmentationRow>('POST', `studies/${study.id}/versions`, body, {
        parent,
        note,
        known,
      })
      const { queryKey } = queries.study(study.id)
      client.setQueryData(queryKey, (old) => old && withVersion(old, row))
      void client.invalidateQueries({ queryKey })
      // Discarded while it was being saved: nothing is left to go on with.
      if (editing.labels === labels) editing.saved(row.id, mark)
      if (!editing.state.changed) await drop()
      return row
    },
    [editing, study.id, client, keeper, drop],
  )
  const discard = useCallback(() => {
    const { labels } = editing
    const { parent } = editing.state
    editing.close()
    void drop()
    return () => {
      if (labels && !editing.state.changed) editing.restore(parent, labels, 'not stored')
    }
  }, [editing, drop])
  const overwrite = useCallback(() => void keeper.current?.overwrite(), [keeper])
  const takeOther = useCallback(async () => {
    const other = await keeper.current?.other()
    if (other === 'silent') throw silence()
    if (!other) {
      overwrite()
      return null
    }
    const theirs = await readLabels(other.bytes)
    const { labels: ours } = editing
    const { parent } = editing.state
    await keeper.current?.adopt(other)
    editing.restore(other.parent, theirs, 'stored')
    return () => {
      if (ours && editing.labels === theirs) editing.restore(parent, ours, 'not stored')
    }
  }, [editing, keeper, overwrite])
  return { editing, state, begin, save, discard, kept, overwrite, takeOther }
}

function emptyOn(volume: Volume | null): Labels | null {
  return volume && { grid: volume.grid, values: new Uint8Array(volume.values.length), source: volume.source }
}

/** The study with a version that was just made. */
function withVersion(study: Study, row: SegmentationRow): Study {
  return { ...study, segmentations: [row, ...study.segmentations.filter(({ id }) => id !== row.id)] }
}

/** Brings a draft back when the study is opened, and keeps it up to date while strokes are made. */
function useDraft(
  study: Study,
  editing: Editing,
  state: EditState,
): { kept: Kept; keeper: RefObject<DraftKeeper | null>; drop: () => Promise<void> } {
  const session = useQuery(queries.session())
  const who = session.data?.person
  // Unsaved edits are a person's own, on a computer that several people use too.
  const person = who ? (who.user ?? 'local') : null
  const { id } = study
  const [kept, setKept] = useState<Kept>('not yet')
  const keeper = useRef<DraftKeeper | null>(null)
  useEffect(() => {
    if (person === null) return
    let gone = false
    const place: Place = { person, study: id }
    const made = new DraftKeeper(place, setKept)
    keeper.current = made
    void bringBack(place).then((back) => {
      if (gone || !back || editing.state.changed) return
      const { found, labels } = back
      made.found(found)
      editing.restore(found.draft.parent, labels, found.kept === 'server' ? 'stored' : 'not stored')
    })
    // A tab that is closed within a moment of the last stroke would lose it: the browser asks once.
    const closing = (event: BeforeUnloadEvent) => {
      made.flush()
      if (made.atRisk) event.preventDefault()
    }
    window.addEventListener('beforeunload', closing)
    return () => {
      gone = true
      window.removeEventListener('beforeunload', closing)
      made.close()
    }
  }, [id, person, editing])

  const after = study.segmentations.reduce((most, row) => Math.max(most, row.number), 0)
  const { steps, changed, parent } = state
  useEffect(() => {
    const { labels } = editing
    if (steps === 0 || !keeper.current) return
    if (changed && labels) keeper.current.note({ parent, after, labels })
    else void keeper.current.drop()
  }, [editing, steps, changed, parent, after])
  const drop = useCallback(() => keeper.current?.drop() ?? Promise.resolve(), [])
  return { kept, keeper, drop }
}

/** The draft with its labels. Bytes that are no mask any more are none. */
async function bringBack(place: Place): Promise<{ found: Found; labels: Labels } | null> {
  const found = await broughtBack(place)
  if (!found) return null
  return readLabels(found.draft.bytes)
    .then((labels) => ({ found, labels }))
    .catch(() => null)
}
