import { expect, test } from 'vitest'
import type { Run } from '../api/types'
import { continued, firstCurve, newest, readCard, readEvaluation, thinned } from './reading'

test('a card of another program is no error', () => {
  expect(readCard({ scores: [{ mean: 'high' }, null], provenance: 3 })).toEqual({
    scores: [],
    trainedOn: [],
    validatedOn: [],
    phantoms: 0,
    steps: null,
    program: null,
  })
})

test('an evaluation is one line a measure, one column a region', () => {
  const measure = (all: number | null) => ({ measure: 'dice', all, n_all: 8 })
  const metrics = {
    convention: 'brats-2020',
    means: [
      { region: 'wt', measures: [measure(0.81)], volume_error_ml: -22.1 },
      { region: 'et', measures: [measure(null)] },
    ],
  }
  expect(readEvaluation(metrics)).toEqual({
    convention: 'brats-2020',
    cases: 8,
    rows: [
      { measure: 'dice', wt: 0.81, tc: null, et: null },
      { measure: 'volume_error_ml', wt: -22.1, tc: null, et: null },
    ],
    each: [],
  })
  expect(readEvaluation('broken').rows).toEqual([])
})

test('the case that failed stands first, and what was missed is no number', () => {
  const scored = (name: string, wt: object, et: object) => ({
    case: name,
    regions: [
      { region: 'wt', dice: wt, hd95_surface_distance_mm: { value: 3 } },
      { region: 'et', dice: et, hd95_surface_distance_mm: et },
      { region: 'stem', dice: { value: 1 } },
    ],
  })
  const cases = [
    scored('good', { value: 0.9 }, { empty: 'both' }),
    scored('missed', { value: 0.7 }, { empty: 'predicted' }),
    scored('fair', { value: 0.8 }, { value: 0.6 }),
  ]
  const { each } = readEvaluation({ cases })
  expect(each.map(({ name }) => name)).toEqual(['missed', 'fair', 'good'])
  expect(each[0]).toEqual({
    name: 'missed',
    dice: { wt: 0.7, tc: null, et: 'predicted' },
    hd95: { wt: 3, tc: null, et: 'predicted' },
  })
})

test('curves skip steps without a value and are thinned by means', () => {
  const metrics = [
    { step: 1, loss: 3 },
    { step: 2, loss: null },
    { step: 3, loss: 1 },
  ]
  expect(firstCurve(metrics, ['train/loss', 'loss'])).toEqual([
    { x: 1, y: 3 },
    { x: 3, y: 1 },
  ])
  expect(
    thinned(
      [
        { x: 1, y: 3 },
        { x: 3, y: 1 },
      ],
      1,
    ),
  ).toEqual([{ x: 3, y: 2 }])
  const ten = Array.from({ length: 10 }, (_, x) => ({ x, y: x }))
  expect(thinned(ten, 3)).toEqual([
    { x: 0, y: 1.5 },
    { x: 7, y: 5.5 },
    { x: 9, y: 8.5 },
  ])
})

test('a validation that is written long after the step that it belongs to is not missed', () => {
  const known = [
    { step: 1, loss: 3 },
    { step: 2, loss: 2 },
  ]
  const validated = { step: 2, dice: 0.8 }
  expect(continued([], known)).toEqual(known)
  expect(continued(known, [{ step: 2, loss: 2 }])).toBe(known)
  expect(continued(known, [])).toBe(known)
  const since = [{ step: 2, loss: 2 }, validated, { step: 3, loss: 1 }]
  expect(continued(known, since)).toEqual([known[0], ...since])
})

test('the run that wrote last is shown first', () => {
  const run = (name: string, updated_at: string | null): Run => ({
    name,
    state: 'running',
    step: 1,
    steps: 2,
    updated_at,
  })
  const runs = [run('a', '2026-11-03T10:00:00Z'), run('b', null), run('c', '2026-11-03T10:00:01.5Z')]
  expect(newest(runs)?.name).toBe('c')
  expect(newest([])).toBeUndefined()
})
