import { useQuery } from '@tanstack/react-query'
import { queries } from '../api/queries'
import type { PatientVolumes } from '../api/types'
import { useSettings } from '../app/settings'
import { LinePlot } from '../ui/LinePlot'
import { cssColour, regionInks } from '../viewer/palette'
import { useWords } from '../words/useWords'
import { courseOf } from './course'

interface VolumeChartProps {
  patient: string
  width?: number
}

/** A patient's volumes over time, with the smallest so far and the change since. */
export function VolumeChart({ patient, width = 300 }: VolumeChartProps) {
  const words = useWords()
  const { colours } = useSettings()
  const volumes = useQuery(queries.patientVolumes(patient))
  const dated = (volumes.data ?? []).filter((one): one is PatientVolumes & { date: string } => one.date !== null)
  if (dated.length < 2) return null
  const points = [...dated].sort((a, b) => a.date.localeCompare(b.date))
  const lines = regionInks(colours).map((ink) => ({
    key: ink.key,
    label: words.named(`region.${ink.key}.short`),
    colour: cssColour(ink.colour),
    dash: ink.dash.join(' '),
    points: points.map((one) => ({
      x: Date.parse(one.date),
      y: ink.key === 'wt' ? one.ml.wt : ink.key === 'tc' ? one.ml.tc : one.ml.et,
    })),
  }))
  const course = courseOf(points.map((one) => one.ml.wt))
  return (
    <section aria-label={words.t('study.course')}>
      <h3>{words.t('study.course')}</h3>
      <LinePlot
        label={words.t('study.course')}
        lines={lines}
        width={width}
        height={150}
        dots
        showX={(x) => words.day(new Date(x).toISOString().slice(0, 10))}
        showY={(y) => words.ml(y)}
      />
      {course && (
        <p className="facts numeric">
          {words.t('study.course.nadir', { ml: words.ml(course.nadir), day: words.day(points[course.at]?.date ?? '') })}{' '}
          {course.at < points.length - 1 &&
            words.t('study.course.since', {
              ml: words.mlChange(course.change),
              percent: signed(words.number(Math.abs(course.share) * 100), course.change),
            })}
        </p>
      )}
    </section>
  )
}

function signed(text: string, value: number): string {
  return `${value < 0 ? '−' : '+'}${text} %`
}
