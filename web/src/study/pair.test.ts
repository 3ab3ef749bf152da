import { describe, expect, it } from 'vitest'
import { type Begun, begunPair, reducePair, sceneOf } from './pair'

const begun = (change: Partial<Begun> = {}): Begun => ({
  shape: [100, 100, 50],
  spacing: [1, 1, 2],
  centre: [40, 50, 20],
  sequences: ['t1n', 't1c', 't2f'],
  ...change,
})
const fine = begun({ shape: [200, 200, 100], spacing: [0.5, 0.5, 1], centre: [90, 90, 60] })
const cursors = (pair: ReturnType<typeof begunPair>) => [sceneOf(pair, 0).cursor, sceneOf(pair, 1).cursor]

describe('two studies side by side', () => {
  it('begin at one place of one grid, else each at its own tumour', () => {
    expect(cursors(begunPair(begun(), begun({ centre: [1, 1, 1] })))).toEqual([
      [40, 50, 20],
      [40, 50, 20],
    ])
    expect(cursors(begunPair(begun(), fine))).toEqual([
      [40, 50, 20],
      [90, 90, 60],
    ])
  })

  it('go together by millimetres, and lose nothing on the way there and back', () => {
    let pair = begunPair(begun(), fine)
    pair = reducePair(pair, { kind: 'step', side: 0, by: 3 })
    expect(cursors(pair).map(([, , z]) => z)).toEqual([23, 66])
    for (let i = 0; i < 7; i++) pair = reducePair(pair, { kind: 'step', side: 1, by: -1 })
    expect(cursors(pair).map(([, , z]) => z)).toEqual([20, 59])
    // Over the edge of the other and back again; a step lands on a slice of the side that is stepped through.
    for (const by of [25, -25]) pair = reducePair(pair, { kind: 'step', side: 0, by })
    expect(cursors(pair).map(([, , z]) => z)).toEqual([20, 60])
  })

  it('go apart while they are not linked, and together from there', () => {
    let pair = reducePair(begunPair(begun(), begun()), { kind: 'link' })
    pair = reducePair(pair, { kind: 'step', side: 1, by: 5 })
    pair = reducePair(pair, { kind: 'link' })
    pair = reducePair(pair, { kind: 'slice', side: 0, index: 10 })
    expect(cursors(pair).map(([, , z]) => z)).toEqual([10, 15])
  })

  it('show a sequence that both have', () => {
    const pair = begunPair(begun(), begun({ sequences: ['t1c'] }))
    expect(pair.sequence).toBe('t1c')
    expect(reducePair(pair, { kind: 'sequence', sequence: 't2f' }).sequence).toBe('t1c')
  })
})
