import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Columns2, Eye } from 'lucide-react'
import type { Dispatch } from 'react'
import { get, patch } from '../api/client'
import { queries } from '../api/queries'
import type { Comparison, SegmentationRow, SegmentationState, Study } from '../api/types'
import { Button, IconButton } from '../ui/Button'
import { Mark } from '../ui/Notice'
import { toast } from '../ui/Toasts'
import { useWords } from '../words/useWords'
import type { EditState } from './Editing'
import type { Change } from './scene'
import type { Versions } from './useMasks'

interface VersionsPanelProps {
  study: Study
  versions: Versions
  edit: EditState
  mayEdit: boolean
  dispatch: Dispatch<Change>
  onDecided: (row: SegmentationRow, state: 'accepted' | 'rejected') => void
  /** Segments once more; missing where that cannot be. */
  onAgain: (() => void) | undefined
}

const TONES = { draft: 'quiet', edited: 'note', accepted: 'good', rejected: 'bad' } as const

/** All versions of the mask, newest first: which one is on screen, which one beside it, and what was decided. */
export function VersionsPanel(props: VersionsPanelProps) {
  const { study, versions, edit, mayEdit, dispatch, onDecided, onAgain } = props
  const words = useWords()
  const { shown, against, edited } = versions
  if (study.segmentations.length === 0) return null
  const isShown = (row: SegmentationRow) => row === shown && !(edited && edit.changed)
  return (
    <section aria-label={words.t('study.versions')}>
      <h3>{words.t('study.versions')}</h3>
      <ul className="versions">
        {edit.changed && (
          <li className={edited ? 'chosen' : ''}>
            <span className="numeric">+</span>
            <span>
              <Mark tone="caution">{words.t('study.unsaved')}</Mark>
            </span>
            <IconButton
              icon={<Eye size={14} />}
              label={words.t('study.show_edits')}
              pressed={edited}
              onClick={() => dispatch({ kind: 'version', version: null })}
            />
          </li>
        )}
        {study.segmentations.map((row) => (
          <li key={row.id} className={isShown(row) ? 'chosen' : ''}>
            <span className="numeric">{row.number}</span>
            <span>
              {versionTitle(row, words)} <Mark tone={TONES[row.state]}>{words.named(`state.${row.state}`)}</Mark>
              <small className="quiet-text">{words.moment(row.created_at)}</small>
              {row.note && <small>{row.note}</small>}
            </span>
            <IconButton
              icon={<Eye size={14} />}
              label={words.t('study.show_version', { n: row.number })}
              pressed={isShown(row)}
              onClick={() => dispatch({ kind: 'version', version: row.id })}
            />
            <IconButton
              icon={<Columns2 size={14} />}
              label={words.t('study.compare_version', { n: row.number })}
              pressed={row === against}
              disabled={row === shown}
              onClick={() => dispatch({ kind: 'against', version: row === against ? null : row.id })}
            />
          </li>
        ))}
      </ul>
      {shown && against && <ComparisonTable first={shown} second={against} />}
      {mayEdit && shown && (
        <div className="pair">
          <Button look="primary" disabled={shown.state === 'accepted'} onClick={() => onDecided(shown, 'accepted')}>
            {words.t('study.accept')}
          </Button>
          <Button disabled={shown.state === 'rejected'} onClick={() => onDecided(shown, 'rejected')}>
            {words.t('study.reject')}
          </Button>
        </div>
      )}
      {onAgain && (
        <Button look="quiet" onClick={onAgain}>
          {words.t('job.retry')}
        </Button>
      )}
    </section>
  )
}

/** "edit, by editor2" or "model, default". */
function versionTitle(row: SegmentationRow, words: ReturnType<typeof useWords>): string {
  const source = words.named(`source.${row.source}`)
  const who = row.source === 'model' ? row.model?.name : row.created_by
  return who ? `${source}, ${who}` : source
}

/** Accepts or rejects a version; undo instead of a question. */
export function useDecision(study: Study) {
  const client = useQueryClient()
  const words = useWords()
  const change = (row: SegmentationRow, state: SegmentationState) =>
    patch<SegmentationRow>(`segmentations/${row.id}`, { state })
  const refresh = () => client.invalidateQueries({ queryKey: queries.study(study.id).queryKey })
  const onError = () => toast({ tone: 'bad', text: words.t('study.decision_failed') })
  return useMutation({
    mutationFn: ({ row, state }: { row: SegmentationRow; state: SegmentationState }) => change(row, state),
    onSuccess: (_, { row, state }) => {
      void refresh()
      const back = row.state === 'edited' ? 'draft' : row.state
      toast({
        text: words.t('study.decided', { n: row.number, state: words.named(`state.${state}`) }),
        action: { label: words.t('do.undo'), run: () => void change(row, back).then(refresh).catch(onError) },
      })
    },
    onError,
  })
}

function ComparisonTable({ first, second }: { first: SegmentationRow; second: SegmentationRow }) {
  const words = useWords()
  const dice = useQuery({
    queryKey: ['compare', first.id, second.id],
    queryFn: () => get<Comparison>(`segmentations/${first.id}/compare/${second.id}`),
  })
  return (
    <table className="comparison">
      <caption>{words.t('study.comparison', { a: first.number, b: second.number })}</caption>
      <tbody>
        {(['wt', 'tc', 'et'] as const).map((region) => (
          <tr key={region}>
            <th scope="row">{words.named(`region.${region}.short`)}</th>
            <td className="numeric">{words.mlChange(first.ml[region] - second.ml[region])}</td>
            <td className="numeric">{words.t('study.dice', { value: diceText(dice.data, region, words) })}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function diceText(
  comparison: Comparison | undefined,
  region: 'wt' | 'tc' | 'et',
  words: ReturnType<typeof useWords>,
): string {
  const value = comparison?.dice[region]
  return typeof value === 'number' ? words.number(value, 3) : '–'
}
