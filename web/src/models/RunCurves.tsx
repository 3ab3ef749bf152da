import { type Line, LinePlot } from '../ui/LinePlot'
import { FailureNotice } from '../words/FailureNotice'
import { useWords } from '../words/useWords'
import { firstCurve, thinned } from './reading'
import { useRunMetrics } from './useRunMetrics'

const regions = [
  { key: 'wt', colour: 'var(--ed)' },
  { key: 'tc', colour: 'var(--ncr)' },
  { key: 'et', colour: 'var(--et)' },
] as const

/** The most points of a training curve. */
const POINTS = 300

/** A rate at its end is small, and not nothing. */
const digitsOf = (y: number, digits: number) => (y > 0 && y < 1e-4 ? 8 : digits)

/** The curves of one run, drawn on while it trains. */
export function RunCurves({ name }: { name: string }) {
  const { t, number } = useWords()
  const { metrics, error, pending } = useRunMetrics(name)
  // What was read stays on screen while the server is away.
  if (error && metrics.length === 0) return <FailureNotice error={error} />
  if (pending) return <p className="quiet-text">{t('loading')}</p>
  if (metrics.length === 0) return <p className="quiet-text">{t('runs.empty')}</p>
  const showX = (step: number) => t('runs.step', { step: number(step) })
  const single = (label: string, keys: readonly string[]): Line[] => [
    { key: label, label, colour: 'var(--accent)', points: thinned(firstCurve(metrics, keys), POINTS) },
  ]
  const loss: Line[] = [
    ...single(t('runs.loss.train'), ['train/loss', 'loss']),
    {
      key: 'validation',
      label: t('runs.loss.validation'),
      colour: 'var(--caution)',
      dash: '6 3',
      points: firstCurve(metrics, ['validation/loss']),
    },
  ].filter((line) => line.points.length > 0)
  const dice: Line[] = regions.flatMap(({ key, colour }) =>
    [
      {
        key: `${key} train`,
        label: t('runs.dice.train', { region: t(`region.${key}.short`) }),
        colour,
        points: thinned(firstCurve(metrics, [`train/soft_dice_${key}`]), POINTS),
      },
      {
        key: `${key} validation`,
        label: t('runs.dice.validation', { region: t(`region.${key}.short`) }),
        colour,
        dash: '6 3',
        points: firstCurve(metrics, [`validation/dice_${key}`, `validation/soft_dice_${key}`]),
      },
    ].filter((line) => line.points.length > 0),
  )
  const plots: { title: string; lines: Line[]; digits: number }[] = [
    { title: t('runs.loss'), lines: loss, digits: 3 },
    { title: t('runs.dice'), lines: dice, digits: 3 },
    { title: t('runs.rate'), lines: single(t('runs.rate'), ['train/learning_rate', 'lr']), digits: 5 },
    { title: t('runs.gradient'), lines: single(t('runs.gradient'), ['train/gradient_norm', 'gradient']), digits: 2 },
    { title: t('runs.seconds'), lines: single(t('runs.seconds'), ['time/step_seconds', 'seconds']), digits: 3 },
  ]
  const together = Math.ceil(firstCurve(metrics, ['train/loss', 'loss']).length / POINTS)
  return (
    <>
      {together > 1 && <p className="quiet-text">{t('runs.smooth', { n: together })}</p>}
      <div className="plots">
        {plots
          .filter((plot) => plot.lines.some((line) => line.points.length > 0))
          .map((plot) => (
            <section key={plot.title}>
              <h2>{plot.title}</h2>
              <LinePlot
                label={plot.title}
                lines={plot.lines}
                showX={showX}
                showY={(y) => number(y, digitsOf(y, plot.digits))}
              />
            </section>
          ))}
      </div>
    </>
  )
}
