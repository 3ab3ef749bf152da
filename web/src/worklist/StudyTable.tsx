import { Fragment, useState } from 'react'
import type { StudyRow } from '../api/types'
import { useWords } from '../words/useWords'
import { StudyLine, type StudyLineActions } from './StudyLine'
import { VolumeChart } from './VolumeChart'

interface StudyTableProps extends Omit<StudyLineActions, 'onChart'> {
  rows: readonly StudyRow[]
  gone: ReadonlySet<string>
  chosen: ReadonlySet<string>
  inBin: boolean
  editor: boolean
  onChosenAll: () => void
}

export function StudyTable({ rows, gone, chosen, inBin, editor, onChosenAll, ...actions }: StudyTableProps) {
  const { t } = useWords()
  const [charted, setCharted] = useState<string | null>(null)
  return (
    <table className="study-table" aria-label={t('studies')}>
      <thead>
        <tr>
          <th className="cell-choose">
            <input
              type="checkbox"
              aria-label={t('worklist.choose_all')}
              checked={rows.every((row) => chosen.has(row.id))}
              onChange={onChosenAll}
            />
          </th>
          <th className="cell-picture">
            <span className="unseen">{t('slice')}</span>
          </th>
          <th className="cell-patient">{t('patient')}</th>
          <th className="cell-date">{t('worklist.filter.date')}</th>
          <th className="cell-sequences">{t('sequence')}</th>
          <th className="cell-volumes">{t('worklist.column.volumes')}</th>
          <th className="cell-warnings">{t('worklist.column.warnings')}</th>
          <th className="cell-state">{t('worklist.column.state')}</th>
          <th className="cell-open">
            <span className="unseen">{t('worklist.volumes_over_time')}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <Fragment key={row.id}>
            <StudyLine
              row={row}
              chosen={chosen.has(row.id)}
              gone={gone.has(row.id)}
              open={charted === row.id}
              inBin={inBin}
              editor={editor}
              onChart={(id) => setCharted(charted === id ? null : id)}
              {...actions}
            />
            {charted === row.id && (
              <tr className="chart-line">
                <td colSpan={9}>
                  <VolumeChart patient={row.patient.id} />
                </td>
              </tr>
            )}
          </Fragment>
        ))}
      </tbody>
    </table>
  )
}
