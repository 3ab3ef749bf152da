import { Redo2, Undo2 } from 'lucide-react'
import type { Dispatch, KeyboardEvent } from 'react'
import type { Volumes } from '../api/types'
import { Button, IconButton } from '../ui/Button'
import { Choice, Field } from '../ui/Field'
import { Notice } from '../ui/Notice'
import { useWords } from '../words/useWords'
import type { Kept } from './drafts'
import { RuleFields } from './RuleFields'
import type { Brush, Change, Tissue } from './scene'
import type { Actions } from './useActions'
import type { Edits } from './useEdits'

interface EditPanelProps {
  edits: Edits
  brush: Brush
  /** Volumes now and in the version that the edits began from. */
  volumes: { now: Volumes; before: Volumes } | null
  dispatch: Dispatch<Change>
  actions: Pick<Actions, 'between' | 'save' | 'saving' | 'note' | 'onNote' | 'discard' | 'takeOther'>
  /** The number of a version that somebody saved since these edits began. */
  newer: number | null
}

const TISSUES = [
  ['1', 'tissue.ncr'],
  ['2', 'tissue.ed'],
  ['3', 'tissue.et'],
] as const

/** What the brush paints, where it may, and what has changed so far. */
export function EditPanel({ edits, brush, volumes, dispatch, actions, newer }: EditPanelProps) {
  const words = useWords()
  const { t } = words
  const { editing, state } = edits
  const onNoteKey = (event: KeyboardEvent) => {
    const saves = event.code === 'Enter' || (event.code === 'KeyS' && (event.ctrlKey || event.metaKey))
    if (!saves || event.nativeEvent.isComposing) return
    event.preventDefault()
    actions.save()
  }
  return (
    <section className="edit-panel" aria-label={t('study.editing')}>
      <div className="edit-head">
        <h3>{t('study.editing')}</h3>
        <IconButton
          icon={<Undo2 size={16} />}
          label={t('study.undo')}
          hint="Ctrl+Z"
          disabled={!state.canUndo}
          onClick={() => editing.undo()}
        />
        <IconButton
          icon={<Redo2 size={16} />}
          label={t('study.redo')}
          hint="Ctrl+Shift+Z"
          disabled={!state.canRedo}
          onClick={() => editing.redo()}
        />
      </div>
      <Choice
        label={t('study.paint')}
        value={String(brush.tissue)}
        options={TISSUES.map(([value, key]) => ({ value, label: words.t(key) }))}
        onChosen={(value) => dispatch({ kind: 'brush', brush: { tissue: tissueIn(value) } })}
      />
      <div className="pair">
        <Choice
          label={t('study.tip')}
          value={brush.tip.shape}
          options={(['disc', 'ball'] as const).map((value) => ({ value, label: t(`study.tip.${value}`) }))}
          onChosen={(shape) => dispatch({ kind: 'brush', brush: { tip: { ...brush.tip, shape } } })}
        />
        <label className="size">
          <span>{t('study.size', { mm: brush.tip.mm })}</span>
          <input
            type="range"
            min={1}
            max={40}
            value={brush.tip.mm}
            onChange={(event) =>
              dispatch({ kind: 'brush', brush: { tip: { ...brush.tip, mm: Number(event.target.value) } } })
            }
          />
        </label>
      </div>
      <RuleFields rule={brush.rule} onRule={(rule) => dispatch({ kind: 'brush', brush: { rule } })} />
      <Button onClick={actions.between}>{t('study.between')}</Button>
      {state.changed && (
        <>
          {newer !== null && <Notice tone="caution">{t('study.newer', { n: newer })}</Notice>}
          {volumes && <p className="numeric">{changeText(words, volumes)}</p>}
          <DraftText kept={edits.kept} onTake={actions.takeOther} onKeep={edits.overwrite} />
          <Field
            label={t('study.note')}
            value={actions.note}
            maxLength={200}
            onChange={(event) => actions.onNote(event.target.value)}
            onKeyDown={onNoteKey}
          />
          <div className="pair">
            <Button look="primary" disabled={actions.saving} title="Ctrl+S" onClick={actions.save}>
              {t('study.save_version')}
            </Button>
            <Button look="danger" disabled={actions.saving} onClick={actions.discard}>
              {t('study.discard')}
            </Button>
          </div>
        </>
      )}
    </section>
  )
}

/** Where the unsaved edits lie; a choice where another tab has kept others. */
function DraftText({ kept, onTake, onKeep }: { kept: Kept; onTake: () => void; onKeep: () => void }) {
  const { t } = useWords()
  if (kept !== 'elsewhere') {
    const key = { server: 'study.draft.server', here: 'study.draft.here', 'not yet': 'study.draft.not_yet' } as const
    return <p className="quiet-text">{t(key[kept])}</p>
  }
  return (
    <>
      <Notice tone="caution">{t('study.draft.elsewhere')}</Notice>
      <div className="pair">
        <Button onClick={onTake}>{t('study.draft.take')}</Button>
        <Button onClick={onKeep}>{t('study.draft.keep')}</Button>
      </div>
    </>
  )
}

function tissueIn(value: string): Tissue {
  return value === '1' ? 1 : value === '2' ? 2 : 3
}

/** "ET −1.8 ml, ED +0.4 ml": what differs by more than a hundredth of a millilitre. */
export function changeText(
  words: ReturnType<typeof useWords>,
  { now, before }: { now: Volumes; before: Volumes },
): string {
  const parts = (['et', 'ncr', 'ed'] as const)
    .map((tissue) => [tissue, now[tissue] - before[tissue]] as const)
    .filter(([, change]) => Math.abs(change) >= 0.005)
    .map(([tissue, change]) => `${words.named(`study.tissue.${tissue}`)} ${words.mlChange(change)}`)
  return parts.length === 0 ? words.t('study.no_change') : parts.join(', ')
}
