import { expect, test } from 'vitest'
import { aJob, aStudy } from '../api/fakes'
import { withJob } from './live'

test('news of a job reaches its own row only', () => {
  const row = aStudy('1')
  const job = aJob('1', { share: 0.5 })
  expect(withJob(row, job).job).toBe(job)
  const other = aStudy('2')
  expect(withJob(other, job)).toBe(other)
})

test('late news of an older job does not cover a newer one', () => {
  const newer = aJob('1', { id: 'new', created_at: '2026-11-25T10:05:00Z' })
  const older = aJob('1', { id: 'old', created_at: '2026-11-25T10:00:00Z', state: 'failed' })
  expect(withJob(aStudy('1', { job: newer }), older).job).toBe(newer)
  expect(withJob(aStudy('1', { job: older }), newer).job).toBe(newer)
})
