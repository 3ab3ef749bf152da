import { Link, useNavigate } from '@tanstack/react-router'
import { ChevronDown, ChevronRight, RotateCcw, X } from 'lucide-react'
import type { MouseEvent } from 'react'
import type { StudyRow } from '../api/types'
import { IconButton } from '../ui/Button'
import { useWords } from '../words/useWords'
import { JobLine } from './JobLine'
import { SequenceList } from './SequenceList'
import { StudyResult } from './StudyResult'
import { Thumbnail } from './Thumbnail'

export interface StudyLineActions {
  onChosen: (id: string) => void
  onChart: (id: string) => void
  onCancel: (job: string) => void
  onRetry: (study: string) => void
}

interface StudyLineProps extends StudyLineActions {
  row: StudyRow
  chosen: boolean
  /** The chart of the patient's volumes stands below. */
  open: boolean
  /** Somebody else took it away a moment ago. */
  gone: boolean
  inBin: boolean
  editor: boolean
}

/** One study of the worklist, 44 px high: who, when, what of it, and how it stands. */
export function StudyLine(props: StudyLineProps) {
  const { row, chosen, open, gone, inBin, editor } = props
  const { t, day, moment } = useWords()
  const navigate = useNavigate()
  const name = `${row.patient.pseudonym} ${row.date ?? ''}`.trim()
  const job = row.job && ['queued', 'running', 'failed'].includes(row.job.state) ? row.job : null
  const running = job?.state === 'queued' || job?.state === 'running'
  // A failed attempt matters only where no newer result stands.
  const shownJob = running || (job && !row.segmentation) ? job : null
  const opens = !inBin && !gone
  // The whole line opens the study, but for what acts by itself and for text that is being marked.
  const onClick = ({ target }: MouseEvent) => {
    if (target instanceof Element && target.closest('a, button, input') !== null) return
    if (window.getSelection()?.isCollapsed === false) return
    void navigate({ to: '/studies/$id', params: { id: row.id }, search: {} })
  }
  return (
    <tr
      className={`study-line ${chosen ? 'chosen' : ''} ${gone ? 'gone' : ''} ${opens ? 'opens' : ''}`}
      data-study={row.id}
      onClick={opens ? onClick : undefined}
    >
      <td className="cell-choose">
        <input
          type="checkbox"
          checked={chosen}
          aria-label={t('worklist.choose', { what: name })}
          onChange={() => props.onChosen(row.id)}
        />
      </td>
      <td className="cell-picture">
        <Thumbnail url={row.thumbnail} label={t('worklist.picture', { what: name })} size={40} />
      </td>
      <td className="cell-patient">
        {!opens ? (
          <span className="study-link">{row.patient.pseudonym}</span>
        ) : (
          <Link to="/studies/$id" params={{ id: row.id }} search={{}} className="study-link">
            {row.patient.pseudonym}
          </Link>
        )}
        {row.patient.name && (
          <span className="patient-name" title={row.patient.name}>
            {row.patient.name}
          </span>
        )}
      </td>
      <td className="cell-date">
        {row.date === null ? (
          <span className="quiet-text" title={t('worklist.no_date')}>
            {t('worklist.added', { when: moment(row.created_at) })}
          </span>
        ) : (
          day(row.date)
        )}
      </td>
      <td className="cell-sequences">
        <SequenceList present={row.sequences} />
      </td>
      {shownJob ? (
        <td colSpan={3} className="cell-job">
          <div className="job-cell">
            <JobLine job={shownJob} />
            {editor && running && (
              <IconButton icon={<X size={14} />} label={t('job.cancel')} onClick={() => props.onCancel(shownJob.id)} />
            )}
            {editor && shownJob.state === 'failed' && (
              <IconButton icon={<RotateCcw size={14} />} label={t('job.retry')} onClick={() => props.onRetry(row.id)} />
            )}
          </div>
        </td>
      ) : (
        <StudyResult row={row} editor={editor && !inBin} />
      )}
      <td className="cell-open">
        {!inBin && (
          <IconButton
            icon={open ? <ChevronDown size={16} /> : <ChevronRight size={16} />}
            label={t('worklist.chart.open', { what: row.patient.pseudonym })}
            aria-expanded={open}
            onClick={() => props.onChart(row.id)}
          />
        )}
      </td>
    </tr>
  )
}
