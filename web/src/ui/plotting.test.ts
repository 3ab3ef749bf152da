import { expect, test } from 'vitest'
import { nearest, niceTicks, pathOf } from './plotting'

test('ticks are round and enclose the values', () => {
  expect(niceTicks(0, 84.2, 4)).toEqual([0, 50, 100])
  expect(niceTicks(0, 0.3, 4)).toEqual([0, 0.1, 0.2, 0.3])
  expect(niceTicks(5, 5, 4)[0]).toBeLessThanOrEqual(5)
})

test('a gap breaks the line', () => {
  const points = [
    { x: 0, y: 1 },
    { x: 1, y: Number.NaN },
    { x: 2, y: 3 },
    { x: 3, y: 4 },
  ]
  expect(
    pathOf(
      points,
      (x) => x,
      (y) => y,
    ),
  ).toBe('M0.0 1.0M2.0 3.0L3.0 4.0')
  expect(nearest(points, 2.4)?.x).toBe(2)
  expect(nearest([], 1)).toBeNull()
})
