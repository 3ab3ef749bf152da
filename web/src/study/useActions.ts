import { type RefObject, useState } from 'react'
import type { SegmentationRow, Study } from '../api/types'
import { toast } from '../ui/Toasts'
import { presetWindow } from '../viewer/window'
import { changeText } from './EditPanel'
import { seriesOf } from './paneScene'
import { fillBetween } from './partEdits'
import { drawnSequence } from './scene'
import { saveAs, screenshotOf } from './screenshot'
import { useKeys } from './useKeys'
import type { Segmenting } from './useSegmenting'
import type { Workspace } from './useWorkspace'
import { useDecision } from './VersionsPanel'

/** What buttons and keys do. */
export interface Actions {
  segmentation: () => void
  preset: (preset: number) => void
  between: () => void
  save: (note: string) => void
  saving: boolean
  discard: () => void
  accept: (row: SegmentationRow) => void
  screenshot: () => void
  fullScreen: () => void
}

interface Places {
  page: RefObject<HTMLDivElement | null>
  panes: RefObject<HTMLDivElement | null>
}

export function useActions(study: Study, work: Workspace, segmenting: Segmenting, places: Places): Actions {
  const { scene, dispatch, library, look, edits, versions, mayEdit } = work
  const { words, settings } = look
  const [saving, setSaving] = useState(false)
  const decide = useDecision(study)
  const sequence = drawnSequence(scene)
  const url = seriesOf(study.series, sequence)?.url ?? ''

  const save = async (note: string) => {
    if (!edits.state.changed || saving) return
    setSaving(true)
    try {
      const change = work.volumes ? changeText(words, work.volumes) : ''
      const row = await edits.save(note)
      dispatch({ kind: 'version', version: row.id })
      toast({ text: words.t('study.saved', { n: row.number, change }) })
    } catch {
      toast({ tone: 'bad', text: words.t('study.save_failed') })
    } finally {
      setSaving(false)
    }
  }
  const screenshot = async () => {
    if (!places.panes.current) return
    const { shown } = versions
    const mask = shown
      ? `${words.t('study.version', { n: shown.number })}, ${words.named(`state.${shown.state}`)}`
      : words.t('state.unsegmented')
    const date = study.date ? words.day(study.date) : ''
    const left = [
      study.patient.pseudonym,
      date,
      words.named(`sequence.${sequence}`),
      mask,
      words.t(`study.display.${settings.display}`),
    ]
    const caption = { left: left.filter((part) => part !== '').join('  ·  '), right: words.t('research_use') }
    saveAs(await screenshotOf(places.panes.current, caption), `${study.patient.pseudonym}-${study.date ?? 'study'}.png`)
  }
  const actions: Actions = {
    segmentation: () => {
      if (versions.shown) dispatch({ kind: 'mask_shown' })
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
    save: (note) => void save(note),
    saving,
    discard: () => {
      const undo = edits.discard()
      toast({ text: words.t('study.discarded'), action: { label: words.t('do.undo'), run: undo } })
    },
    accept: (row) => {
      if (mayEdit && row.state !== 'accepted') decide.mutate({ row, state: 'accepted' })
    },
    screenshot: () => void screenshot(),
    fullScreen: () =>
      void (document.fullscreenElement ? document.exitFullscreen() : places.page.current?.requestFullscreen()),
  }
  useKeys({ scene, profile: work.profile, convention: settings.display, mayEdit }, dispatch, {
    ...actions,
    undo: () => edits.editing.undo(),
    redo: () => edits.editing.redo(),
    save: () => actions.save(''),
    accept: () => versions.shown && actions.accept(versions.shown),
  })
  return actions
}
