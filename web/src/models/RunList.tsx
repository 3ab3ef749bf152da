import { useQuery } from '@tanstack/react-query'
import { LineChart } from 'lucide-react'
import { useState } from 'react'
import { queries } from '../api/queries'
import { EmptyState } from '../ui/EmptyState'
import { Choice } from '../ui/Field'
import { FailureNotice } from '../words/FailureNotice'
import { useWords } from '../words/useWords'
import { RunCurves } from './RunCurves'

/** Training runs; the newest is open. */
export function RunList() {
  const { t } = useWords()
  const runs = useQuery({ ...queries.runs(), refetchInterval: 30_000 })
  const [chosen, setChosen] = useState('')
  if (runs.error) return <FailureNotice error={runs.error} onRetry={() => void runs.refetch()} />
  if (!runs.data) return <p className="quiet-text">{t('loading')}</p>
  const name = chosen || runs.data[0]?.name
  if (name === undefined) {
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
          value={name}
          options={runs.data.map((run) => ({ value: run.name, label: run.name }))}
          onChosen={setChosen}
        />
      </div>
      <RunCurves key={name} name={name} />
    </section>
  )
}
