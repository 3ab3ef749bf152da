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
  /** One line a case, the worst first. */
  each: CaseReading[]
}

/** Volumes that stand beside the measures of a region. */
const VOLUMES = ['volume_error_ml', 'absolute_volume_error_ml'] as const
const REGIONS = ['wt', 'tc', 'et'] as const
export type Region = (typeof REGIONS)[number]

/** A score, or whose mask had nothing of the region. */
export type ScoreReading = number | 'reference' | 'predicted' | 'both' | null

export interface CaseReading {
  name: string
  dice: Record<Region, ScoreReading>
  hd95: Record<Region, ScoreReading>
}

function readScore(score: unknown): ScoreReading {
  const { value, empty } = record(score)
  return empty === 'reference' || empty === 'predicted' || empty === 'both' ? empty : finite(value)
}

function readCase(given: Loose): CaseReading {
  const none = { wt: null, tc: null, et: null }
  const read: CaseReading = { name: text(given.case), dice: { ...none }, hd95: { ...none } }
  for (const line of list(given.regions).map(record)) {
    const region = REGIONS.find((known) => known === line.region)
    if (region === undefined) continue
    read.dice[region] = readScore(line.dice)
    read.hd95[region] = readScore(line.hd95_surface_distance_mm)
  }
  return read
}

/** The mean Dice of a case for sorting: what was missed or made up counts as nothing found. */
function worth({ dice }: CaseReading): number {
  const known = REGIONS.map((region) => dice[region]).filter((score) => score !== null && score !== 'both')
  return known.reduce((sum: number, score) => sum + (typeof score === 'number' ? score : 0), 0) / (known.length || 1)
}

export function readEvaluation(metrics: unknown): EvaluationReading {
  const given = record(metrics)
  const rows = new Map<string, EvaluationReading['rows'][number]>()
  let cases = list(given.cases).length
  for (const mean of list(given.means).map(record)) {
    const region = REGIONS.find((known) => known === mean.region)
    if (region === undefined) continue
    const add = (measure: string, value: unknown) => {
      const row = rows.get(measure) ?? { measure, wt: null, tc: null, et: null }
      rows.set(measure, { ...row, [region]: finite(value) })
    }
    for (const line of list(mean.measures).map(record)) {
      cases = Math.max(cases, finite(line.n_all) ?? 0)
      add(text(line.measure), line.all)
    }
    for (const measure of VOLUMES) if (finite(mean[measure]) !== null) add(measure, mean[measure])
  }
  const each = list(given.cases).map(record).map(readCase)
  each.sort((a, b) => worth(a) - worth(b))
  return { convention: text(given.convention), cases, rows: [...rows.values()], each }
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

/**
 * At most `n` points, each the mean of its neighbours: single steps are noise, and an SVG of 10,000 points is slow. The
 * first and the last stand where the curve begins and ends.
 */
export function thinned(points: readonly PlotPoint[], n: number): PlotPoint[] {
  if (points.length <= n) return [...points]
  const size = Math.ceil(points.length / n)
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const part = points.slice(i * size, (i + 1) * size)
    const at = i === 0 && points.length > size ? part[0] : part[part.length - 1]
    return { x: at?.x ?? 0, y: part.reduce((sum, point) => sum + point.y, 0) / part.length }
  })
}
