import { useQuery } from '@tanstack/react-query'
import { ClipboardCheck, ExternalLink } from 'lucide-react'
import { queries } from '../api/queries'
import type { Evaluation } from '../api/types'
import { EmptyState } from '../ui/EmptyState'
import { type Column, Table } from '../ui/Table'
import { FailureNotice } from '../words/FailureNotice'
import { useWords } from '../words/useWords'
import { EvaluationCases } from './EvaluationCases'
import { type EvaluationReading, readEvaluation } from './reading'

export function EvaluationList() {
  const { t } = useWords()
  const evaluations = useQuery(queries.evaluations())
  if (evaluations.error) return <FailureNotice error={evaluations.error} onRetry={() => void evaluations.refetch()} />
  if (!evaluations.data) return <p className="quiet-text">{t('loading')}</p>
  if (evaluations.data.length === 0) {
    return (
      <EmptyState icon={<ClipboardCheck size={28} aria-hidden="true" />} title={t('evaluations.none')}>
        {t('evaluations.none.why')}
      </EmptyState>
    )
  }
  return (
    <section className="stack">
      {evaluations.data.map((evaluation) => (
        <EvaluationCard key={evaluation.name} evaluation={evaluation} />
      ))}
    </section>
  )
}

function EvaluationCard({ evaluation }: { evaluation: Evaluation }) {
  const { t, named, number } = useWords()
  const reading = readEvaluation(evaluation.metrics)
  const regions = ['wt', 'tc', 'et'] as const
  const columns: Column<EvaluationReading['rows'][number]>[] = [
    { key: 'measure', head: t('models.measure'), cell: (row) => named(`measure.${row.measure}`) },
    ...regions.map(
      (region): Column<EvaluationReading['rows'][number]> => ({
        key: region,
        head: <abbr title={t(`region.${region}`)}>{t(`region.${region}.short`)}</abbr>,
        numeric: true,
        cell: (row) => {
          const value = row[region]
          return value === null
            ? '–'
            : number(value, row.measure.includes('_ml') || row.measure.includes('_mm') ? 1 : 3)
        },
      }),
    ),
  ]
  return (
    <article className="model-card" aria-label={evaluation.name}>
      <header>
        <h2>{evaluation.name}</h2>
        <span className="quiet-text">
          {t('evaluations.cases', { n: reading.cases })}
          {reading.convention && ` · ${t('evaluations.convention', { name: reading.convention })}`}
        </span>
        {evaluation.report_url && (
          <a className="button" href={evaluation.report_url} target="_blank" rel="noreferrer">
            <ExternalLink size={14} aria-hidden="true" />
            {t('evaluations.report')}
          </a>
        )}
      </header>
      <Table label={evaluation.name} columns={columns} rows={reading.rows} rowKey={(row) => row.measure} />
      {reading.each.length > 0 && <EvaluationCases name={evaluation.name} each={reading.each} />}
    </article>
  )
}
