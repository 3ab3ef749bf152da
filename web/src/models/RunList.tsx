import { useQuery } from '@tanstack/react-query'
import { LineChart } from 'lucide-react'
import { useState } from 'react'
import { queries } from '../api/queries'
import { EmptyState } from '../ui/EmptyState'
import { Choice } from '../ui/Field'
import { FailureNotice } from '../words/FailureNotice'
import { useWords } from '../words/useWords'
import { RunCurves } from './RunCurves'
import { newest } from './reading'

/** Training runs; the one that wrote last is open. */
export function RunList() {
  const { t, number, moment } = useWords()
  const runs = useQuery({ ...queries.runs(), refetchInterval: 30_000 })
  const [chosen, setChosen] = useState('')
  if (runs.error) return <FailureNotice error={runs.error} onRetry={() => void runs.refetch()} />
  if (!runs.data) return <p className="quiet-text">{t('loading')}</p>
  const run = runs.data.find((run) => run.name === chosen) ?? newest(runs.data)
  if (run === undefined) {
    return (
      <EmptyState icon={<LineChart size={28} aria-hidden="true" />} title={t('runs.none')}>
        {t('runs.none.why')}
      </EmptyState>
    )
  }
  return (
    <section className="stack">
      <div className="filter-bar">
        <Choice
          label={t('runs.run')}
          value={run.name}
          options={runs.data.map((run) => ({ value: run.name, label: run.name }))}
          onChosen={setChosen}
        />
        {run.step !== null && run.steps !== null && (
          <span className="quiet-text numeric">
            {t('runs.progress', { step: number(run.step + 1), steps: number(run.steps) })}
          </span>
        )}
        {run.updated_at !== null && (
          <span className="quiet-text">{t('runs.written', { when: moment(run.updated_at) })}</span>
        )}
      </div>
      <RunCurves key={run.name} name={run.name} />
    </section>
  )
}
