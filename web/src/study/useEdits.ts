import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useState, useSyncExternalStore } from 'react'
import { sendBytes } from '../api/client'
import { queries } from '../api/queries'
import type { SegmentationRow, Study } from '../api/types'
import type { Library } from '../viewer/library'
import { readLabels, writeLabels } from '../viewer/nifti'
import { type Draft, dropDraft, keepLocally, keepOnServer, localDraft, serverDraft } from './drafts'
import { Editing, type EditState } from './Editing'

export interface Edits {
  editing: Editing
  state: EditState
  /** Makes the shown version editable, if it is not yet; false while its voxels are not there. */
  begin: () => boolean
  save: (note: string) => Promise<SegmentationRow>
  /** Lets go of the edits; gives the way back. */
  discard: () => () => void
  /** Whether the draft on the server is as new as the one in this browser. */
  kept: 'nothing' | 'here' | 'server'
}

/** Hears which version a draft belongs to that was brought back. */
export type Restored = (parent: string) => void

/** The edits of a study: begun from the shown version, kept as a draft at every step, saved as a new version. */
export function useEdits(study: Study, shown: SegmentationRow | null, library: Library, onRestored: Restored): Edits {
  const client = useQueryClient()
  const [editing] = useState(() => new Editing(library))
  const state = useSyncExternalStore(
    (listener) => editing.subscribe(listener),
    () => editing.state,
  )
  const kept = useDraft(study.id, editing, state, onRestored)

  const begin = useCallback(() => {
    if (editing.state.parent !== null) return editing.state.parent === shown?.id
    const labels = shown ? library.labels(shown.labels_url) : null
    if (!shown || !labels) return false
    editing.begin(shown.id, labels)
    return true
  }, [editing, shown, library])

  const save = useCallback(
    async (note: string) => {
      const { labels } = editing
      const { parent } = editing.state
      if (!labels || parent === null) throw new Error('there is nothing to save')
      const bytes = await writeLabels(labels.values, labels.source)
      const body = new Blob([bytes], { type: 'application/gzip' })
      const row = await sendBytes<SegmentationRow>('POST', `studies/${study.id}/versions`, body, { parent, note })
      editing.close()
      await dropDraft(study.id)
      await client.invalidateQueries({ queryKey: queries.study(study.id).queryKey })
      return row
    },
    [editing, study.id, client],
  )
  const discard = useCallback(() => {
    const { labels } = editing
    const { parent } = editing.state
    editing.close()
    void dropDraft(study.id)
    return () => {
      if (labels && parent !== null) editing.restore(parent, labels)
    }
  }, [editing, study.id])
  return { editing, state, begin, save, discard, kept }
}

/** Brings a draft back when the study is opened, and keeps it up to date while strokes are made. */
function useDraft(id: string, editing: Editing, state: EditState, onRestored: Restored): Edits['kept'] {
  const [kept, setKept] = useState<Edits['kept']>('nothing')
  useEffect(() => {
    let gone = false
    void bringBack(id).then((draft) => {
      if (gone || !draft || editing.state.parent !== null) return
      editing.restore(draft.parent, draft.labels)
      onRestored(draft.parent)
      setKept('server')
    })
    return () => {
      gone = true
    }
  }, [id, editing, onRestored])

  const { steps, changed, parent } = state
  useEffect(() => {
    const { labels } = editing
    if (steps === 0 || !changed || parent === null || !labels) return
    let gone = false
    const rest = setTimeout(async () => {
      const bytes = (await writeLabels(labels.values, labels.source)).buffer
      if (gone) return
      const draft: Draft = { parent, bytes }
      await keepLocally(id, draft)
      setKept('here')
      if (!gone && (await keepOnServer(id, draft))) setKept('server')
    }, 600)
    return () => {
      gone = true
      clearTimeout(rest)
    }
  }, [id, editing, steps, changed, parent])
  return kept
}

/** This browser's draft, else the server's. Bytes that are no mask any more are none. */
async function bringBack(study: string) {
  const draft = (await localDraft(study)) ?? (await serverDraft(study))
  if (!draft) return null
  return readLabels(draft.bytes)
    .then((labels) => ({ parent: draft.parent, labels }))
    .catch(() => null)
}
