import { expect, test } from 'vitest'
import { aJob, aStudy } from '../api/fakes'
import { settle } from './settle'

const ids = (rows: readonly { id: string }[]) => rows.map((row) => row.id)

test('without a pointer over it the list is as the server has it', () => {
  const now = [aStudy('2'), aStudy('1')]
  expect(settle(null, now)).toEqual({ rows: now, waiting: 0, gone: new Set() })
})

test('under a pointer nothing moves: new rows wait, news fills rows where they stand', () => {
  const held = [aStudy('2'), aStudy('1')]
  const job = aJob('1')
  const { rows, waiting, gone } = settle(held, [aStudy('4'), aStudy('3'), aStudy('1', { job }), aStudy('2')])
  expect(ids(rows)).toEqual(['2', '1'])
  expect(rows[1]?.job).toBe(job)
  expect([waiting, gone.size]).toEqual([2, 0])
})

test('what somebody took away keeps its place, marked; what comes at the end is added', () => {
  const { rows, waiting, gone } = settle([aStudy('2'), aStudy('1')], [aStudy('1'), aStudy('0')])
  expect(ids(rows)).toEqual(['2', '1', '0'])
  expect([...gone]).toEqual(['2'])
  expect(waiting).toBe(0)
})
