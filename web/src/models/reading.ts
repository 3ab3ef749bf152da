import type { Metric, Run } from '../api/types'
import type { PlotPoint } from '../ui/plotting'

/** What a model's card says, read with care: it was written by another program, maybe an older one. */
export interface CardReading {
  scores: { measure: string; of: string; mean: number; cases: number; convention: string }[]
  trainedOn: string[]
  validatedOn: string[]
  phantoms: number
  steps: number | null
  program: string | null
}

type Loose = Record<string, unknown>
const record = (value: unknown): Loose => (typeof value === 'object' && value !== null ? { ...value } : {})
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
const text = (value: unknown) => (typeof value === 'string' ? value : '')
const finite = (value: unknown) => (typeof value === 'number' && Number.isFinite(value) ? value : null)
const texts = (value: unknown) => list(value).filter((item) => typeof item === 'string')

export function readCard(card: Loose): CardReading {
  const provenance = record(card.provenance)
  return {
    scores: list(card.scores).flatMap((line) => {
      const score = record(line)
      const mean = finite(score.mean)
      if (mean === null) return []
      return [
        {
          measure: text(score.measure),
          of: text(score.of),
          mean,
          cases: finite(score.cases) ?? 0,
          convention: text(score.convention),
        },
      ]
    }),
    trainedOn: texts(provenance.trained_on),
    validatedOn: texts(provenance.validated_on),
    phantoms: finite(provenance.phantoms) ?? 0,
    steps: finite(provenance.steps),
    program: text(provenance.program) || null,
  }
}

export interface EvaluationReading {
  convention: string
  cases: number
  /** One line a measure, one column a region. */
  rows: { measure: string; wt: number | null; tc: number | null; et: number | null }[]
}

export function readEvaluation(metrics: unknown): EvaluationReading {
  const given = record(metrics)
  const rows = new Map<string, EvaluationReading['rows'][number]>()
  let cases = list(given.cases).length
  for (const mean of list(given.means).map(record)) {
    for (const line of list(mean.measures).map(record)) {
      const measure = text(line.measure)
      const row = rows.get(measure) ?? { measure, wt: null, tc: null, et: null }
      cases = Math.max(cases, finite(line.n_all) ?? 0)
      if (mean.region === 'wt' || mean.region === 'tc' || mean.region === 'et') {
        rows.set(measure, { ...row, [mean.region]: finite(line.all) })
      }
    }
  }
  return { convention: text(given.convention), cases, rows: [...rows.values()] }
}

/** The lines of a run with those that came since; they begin with the last step anew, which may have more lines by now. */
export function continued(known: readonly Metric[], since: readonly Metric[]): readonly Metric[] {
  const first = since[0]?.step
  if (first === undefined) return known
  const cut = known.findLastIndex((line) => line.step < first) + 1
  return known.length - cut === since.length ? known : [...known.slice(0, cut), ...since]
}

/** The run that wrote last. */
export function newest(runs: readonly Run[]): Run | undefined {
  const at = (run: Run) => (run.updated_at === null ? 0 : Date.parse(run.updated_at))
  return runs.reduce<Run | undefined>((last, run) => (last && at(last) >= at(run) ? last : run), undefined)
}

/** The values of one key by step. */
export function curve(metrics: readonly Metric[], key: string): PlotPoint[] {
  return metrics.flatMap((metric) => {
    const y = finite(metric[key])
    return y === null ? [] : [{ x: metric.step, y }]
  })
}

/** The first of several names that holds values: older runs called things otherwise. */
export function firstCurve(metrics: readonly Metric[], keys: readonly string[]): PlotPoint[] {
  for (const key of keys) {
    const points = curve(metrics, key)
    if (points.length > 0) return points
  }
  return []
}

/** At most `n` points, each the mean of its neighbours: single steps are noise, and an SVG of 10,000 points is slow. */
export function thinned(points: readonly PlotPoint[], n: number): PlotPoint[] {
  if (points.length <= n) return [...points]
  const size = Math.ceil(points.length / n)
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const part = points.slice(i * size, (i + 1) * size)
    const last = part[part.length - 1]
    return { x: last?.x ?? 0, y: part.reduce((sum, point) => sum + point.y, 0) / part.length }
  })
}
