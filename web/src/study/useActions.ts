import { type RefObject, useState } from 'react'
import type { SegmentationRow, Study } from '../api/types'
import { toast } from '../ui/Toasts'
import { presetWindow } from '../viewer/window'
import { useFailure } from '../words/useFailure'
import type { Words } from '../words/useWords'
import type { EditState } from './Editing'
import { changeText } from './EditPanel'
import { seriesOf } from './paneScene'
import { fillBetween } from './partEdits'
import { drawnSequence } from './scene'
import { saveAs, screenshotOf } from './screenshot'
import { useKeys } from './useKeys'
import type { Versions } from './useMasks'
import type { Segmenting } from './useSegmenting'
import type { Workspace } from './useWorkspace'
import { useDecision } from './VersionsPanel'

/** What buttons and keys do. */
export interface Actions {
  segmentation: () => void
  preset: (preset: number) => void
  between: () => void
  /** Makes a version of the edits, with the note that was written beside them. */
  save: () => void
  saving: boolean
  note: string
  onNote: (note: string) => void
  discard: () => void
  /** Goes on with the unsaved edits of another tab. */
  takeOther: () => void
  decide: (row: SegmentationRow, state: 'accepted' | 'rejected') => void
  screenshot: () => void
  fullScreen: () => void
}

export function useActions(
  study: Study,
  work: Workspace,
  segmenting: Segmenting,
  panes: RefObject<HTMLDivElement | null>,
): Actions {
  const { scene, dispatch, library, look, edits, versions, mayEdit } = work
  const { words, settings } = look
  const [saving, setSaving] = useState(false)
  const [note, setNote] = useState('')
  const failure = useFailure()
  const decision = useDecision(study)
  const sequence = drawnSequence(scene)
  const url = seriesOf(study.series, sequence)?.url ?? ''

  const save = async () => {
    if (!edits.state.changed || saving) return
    setSaving(true)
    try {
      const change = work.volumes ? changeText(words, work.volumes) : ''
      const row = await edits.save(note)
      setNote('')
      dispatch({ kind: 'version', version: null })
      toast({ text: words.t('study.saved', { n: row.number, change }) })
    } catch (error) {
      toast({ tone: 'bad', text: `${words.t('study.save_failed')} ${failure(error).sentence}` })
    } finally {
      setSaving(false)
    }
  }
  const takeOther = async () => {
    try {
      const undo = await edits.takeOther()
      if (undo) toast({ text: words.t('study.draft.taken'), action: { label: words.t('do.undo'), run: undo } })
    } catch (error) {
      toast({ tone: 'bad', text: failure(error).sentence })
    }
  }
  const screenshot = async () => {
    if (!panes.current) return
    const mask = maskText(words, versions, edits.state)
    const date = study.date ? words.day(study.date) : ''
    const left = [
      study.patient.pseudonym,
      date,
      words.named(`sequence.${sequence}`),
      mask,
      words.t(`study.display.${settings.display}`),
    ]
    const caption = { left: left.filter((part) => part !== '').join('  ·  '), right: words.t('research_use') }
    try {
      const name = `${study.patient.pseudonym}-${study.date ?? 'study'}.png`
      saveAs(await screenshotOf(panes.current, caption), name)
    } catch {
      toast({ tone: 'bad', text: words.t('study.screenshot_failed') })
    }
  }
  const actions: Actions = {
    segmentation: () => {
      if (versions.shown || edits.state.changed) dispatch({ kind: 'mask_shown' })
      else if (!segmenting.running && mayEdit && study.missing.length === 0) segmenting.start()
    },
    preset: (preset) => {
      const spread = library.spread(url)
      dispatch({ kind: 'window', sequence, window: preset === 0 || !spread ? null : presetWindow(spread, preset) })
    },
    between: () => {
      if (!work.begin()) return
      const { brush, plane } = scene
      const image = library.volume(url)?.values ?? null
      edits.editing.step((stroke, mask) => fillBetween(stroke, mask, plane, brush.tissue, { rule: brush.rule, image }))
    },
    save: () => void save(),
    saving,
    note,
    onNote: setNote,
    discard: () => {
      const undo = edits.discard()
      toast({ text: words.t('study.discarded'), action: { label: words.t('do.undo'), run: undo } })
    },
    takeOther: () => void takeOther(),
    decide: (row, state) => {
      if (!mayEdit || row.state === state) return
      // The decision would be about a mask that is not the one on screen.
      if (versions.edited && edits.state.changed) toast({ text: words.t('study.save_first') })
      else decision.mutate({ row, state })
    },
    screenshot: () => void screenshot(),
    // The whole page, so that messages and the line about research use stay on screen. Telephones may refuse.
    fullScreen: () =>
      void (document.fullscreenElement
        ? document.exitFullscreen()
        : document.documentElement.requestFullscreen?.().catch(() => undefined)),
  }
  const comparable = study.segmentations.length > 1
  useKeys({ scene, profile: work.profile, convention: settings.display, mayEdit, comparable }, dispatch, {
    ...actions,
    undo: () => edits.editing.undo(),
    redo: () => edits.editing.redo(),
    accept: () => versions.shown && actions.decide(versions.shown, 'accepted'),
  })
  return actions
}

/** "version 3, Draft", and what is beside it and unsaved: what a picture of the panes shows. */
export function maskText(words: Words, { shown, against, edited }: Versions, edit: EditState): string {
  const parts = shown
    ? [words.t('study.version', { n: shown.number }), words.named(`state.${shown.state}`)]
    : edit.changed
      ? []
      : [words.t('state.unsegmented')]
  if (edited && edit.changed) parts.push(words.t('study.unsaved'))
  if (against) parts.push(words.t('study.beside', { n: against.number }))
  return parts.join(', ')
}
