import { type Column, Table } from '../ui/Table'
import { useWords } from '../words/useWords'
import type { CaseReading, Region, ScoreReading } from './reading'

/** The scores of each case, the worst first: what failed is what a reader looks for. */
export function EvaluationCases({ name, each }: { name: string; each: readonly CaseReading[] }) {
  const { t, number } = useWords()
  const shown = (score: ScoreReading, digits: number) => {
    if (typeof score === 'number') return number(score, digits)
    return score === null ? '–' : <span className="quiet-text">{t(`evaluations.empty.${score}`)}</span>
  }
  const columns = (measure: 'dice' | 'hd95', digits: number) =>
    (['wt', 'tc', 'et'] as const).map(
      (region: Region): Column<CaseReading> => ({
        key: `${measure} ${region}`,
        head: `${t(`region.${region}.short`)} ${t(`measure.${measure}`)}`,
        numeric: true,
        cell: (row) => shown(row[measure][region], digits),
      }),
    )
  return (
    <details>
      <summary>{t('evaluations.each')}</summary>
      <Table
        label={t('evaluations.each_of', { name })}
        columns={[
          { key: 'case', head: t('evaluations.case'), cell: (row) => row.name },
          ...columns('dice', 3),
          ...columns('hd95', 1),
        ]}
        rows={each}
        rowKey={(row) => row.name}
      />
    </details>
  )
}
