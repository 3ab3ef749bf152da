import { expect, test } from 'vitest'
import { isNarrowed, parseFilter, queryOf } from './filter'

test('the address is read with care', () => {
  const given = {
    search: ' P-0001',
    state: 'draft',
    wt_min: '12.5',
    tc_max: '7',
    et_max: '1e9',
    date_from: '2026-11-03',
    date_to: 'tomorrow',
    sort: 'evil',
    bin: 'yes',
  }
  const expected = { search: ' P-0001', state: 'draft', wt_min: '12.5', tc_max: '7', date_from: '2026-11-03' }
  expect(parseFilter(given)).toEqual(expected)
})

test('the server is asked in its own words', () => {
  expect(queryOf({ sort: 'wt', state: 'accepted' })).toEqual({ sort: '-wt', state: 'accepted' })
  expect(queryOf(parseFilter({ sort: 'tc' }))).toEqual({ sort: '-tc' })
  expect(queryOf(parseFilter({ sort: 'model' }))).toEqual({ sort: 'model' })
  expect(queryOf({})).toEqual({ sort: '-created_at' })
})

test('order and bin do not narrow the list', () => {
  expect([isNarrowed({ sort: 'et', bin: 'true' }), isNarrowed({ search: 'x' })]).toEqual([false, true])
})
