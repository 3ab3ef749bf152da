import { useQuery } from '@tanstack/react-query'
import { queries } from '../api/queries'
import type { PatientVolumes } from '../api/types'
import { type Line, LinePlot } from '../ui/LinePlot'
import { FailureNotice } from '../words/FailureNotice'
import { useWords } from '../words/useWords'

const lines = [
  { key: 'wt', colour: 'var(--ed)', dash: undefined },
  { key: 'tc', colour: 'var(--ncr)', dash: '6 3' },
  { key: 'et', colour: 'var(--et)', dash: '2 2' },
] as const

type Dated = PatientVolumes & { date: string }

/** A patient's volumes from study to study. */
export function VolumeChart({ patient }: { patient: string }) {
  const { t, ml, day, number } = useWords()
  const volumes = useQuery(queries.patientVolumes(patient))
  if (volumes.error) return <FailureNotice error={volumes.error} onRetry={() => void volumes.refetch()} />
  if (!volumes.data) return <p className="quiet-text">{t('loading')}</p>
  const dated = volumes.data
    .filter((entry): entry is Dated => entry.date !== null)
    .sort((a, b) => a.date.localeCompare(b.date))
  if (dated.length < 2) return <p className="quiet-text">{t('worklist.chart.few')}</p>
  const drawn: Line[] = lines.map(({ key, colour, dash }) => ({
    key,
    colour,
    label: t(`region.${key}`),
    points: dated.map((entry) => ({ x: Date.parse(entry.date), y: entry.ml[key] })),
    ...(dash === undefined ? {} : { dash }),
  }))
  return (
    <LinePlot
      label={t('worklist.volumes_over_time')}
      lines={drawn}
      width={640}
      height={180}
      dots
      showX={(x) => day(new Date(x).toISOString().slice(0, 10))}
      showY={ml}
      showTick={(y) => `${number(y, Number.isInteger(y) ? 0 : 1)} ml`}
    />
  )
}
