import { expect, test } from 'vitest'
import {
  formatBytes,
  formatDay,
  formatMl,
  formatMlChange,
  formatMm,
  formatMoment,
  formatPercent,
  ml,
  mm,
} from './numbers'

test('millilitres: one decimal, two below 1 ml, never a bare number', () => {
  const said = [84.21, 1234.56, 21, 1, 0.996, 0.994, 0.37, 0.004, 0].map((value) => formatMl('en', ml(value)))
  expect(said).toEqual([
    '84.2 ml',
    '1,234.6 ml',
    '21.0 ml',
    '1.0 ml',
    '1.0 ml',
    '0.99 ml',
    '0.37 ml',
    '0.00 ml',
    '0 ml',
  ])
})

test('changes carry their sign', () => {
  expect([-1.8, 0.4, 0].map((value) => formatMlChange('en', ml(value)))).toEqual(['−1.8 ml', '+0.40 ml', '0 ml'])
})

test('millimetres, bytes, percent', () => {
  expect([formatMm('en', mm(51.4)), formatMm('en', mm(2.83))]).toEqual(['51 mm', '2.8 mm'])
  expect([812, 8_100_000, 120_000, 2e9].map((bytes) => formatBytes('en', bytes))).toEqual([
    '812 B',
    '8.1 MB',
    '120 kB',
    '2.0 GB',
  ])
  // Never 100 % before the end.
  expect([0, 0.623, 0.999, 1].map((share) => formatPercent('en', share))).toEqual(['0 %', '62 %', '99 %', '100 %'])
})

test('days belong to no time zone, and are said in the reader’s language', () => {
  expect(formatDay('en', '2026-11-03')).toBe('3 Nov 2026')
  expect(formatDay('ko', '2026-11-03')).toBe('2026. 11. 3.')
  expect(formatDay('en', 'unknown')).toBe('unknown')
  expect(formatMoment('ko', 'unknown')).toBe('unknown')
})
