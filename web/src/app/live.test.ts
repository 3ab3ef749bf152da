import { QueryClient } from '@tanstack/react-query'
import { expect, test, vi } from 'vitest'
import { aJob, aStudy } from '../api/fakes'
import { News, withJob } from './live'

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

test('when something was missed, everything is asked for anew, once for all of it', () => {
  vi.useFakeTimers()
  const client = new QueryClient()
  const asked = vi.spyOn(client, 'invalidateQueries')
  const news = new News(client)
  client.setQueryData(['study', '1'], aStudy('1'))
  for (let i = 0; i < 20; i++) news.hear({ kind: 'missed' })
  expect(asked).not.toHaveBeenCalled()
  vi.advanceTimersByTime(300)
  expect(asked).toHaveBeenCalledTimes(1)
  expect(client.getQueryState(['study', '1'])?.isInvalidated).toBe(true)
  news.hear({ kind: 'missed' })
  news.stop()
  vi.advanceTimersByTime(300)
  expect(asked).toHaveBeenCalledTimes(1)
  vi.useRealTimers()
})
