import { expect, test } from 'vitest'
import { firstCurve, readCard, readEvaluation, thinned } from './reading'

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
