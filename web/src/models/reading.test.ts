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
      { region: 'wt', measures: [measure(0.81)] },
      { region: 'et', measures: [measure(null)] },
    ],
  }
  expect(readEvaluation(metrics)).toEqual({
    convention: 'brats-2020',
    cases: 8,
    rows: [{ measure: 'dice', wt: 0.81, tc: null, et: null }],
  })
  expect(readEvaluation('broken').rows).toEqual([])
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
