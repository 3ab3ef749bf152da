import { expect, test } from 'vitest'
import { parsePatientFilter, turned } from './patientFilter'

test('the address says which patients, and nonsense in it says nothing', () => {
  expect(parsePatientFilter({ search: ' Kim ', sort: '-studies' })).toEqual({ search: 'Kim', sort: '-studies' })
  expect(parsePatientFilter({ search: 7, sort: 'password' })).toEqual({})
})

test('a column sorts the way that is looked for first, then the other way', () => {
  expect(turned('-created_at', 'pseudonym')).toBe('pseudonym')
  expect(turned('pseudonym', 'pseudonym')).toBe('-pseudonym')
  expect(turned('pseudonym', 'studies')).toBe('-studies')
  expect(turned('-studies', 'studies')).toBe('studies')
})
