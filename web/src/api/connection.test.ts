import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Connection } from './connection'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('a silent server is asked until it answers, and its return is told once', async () => {
  let there = false
  const ask = vi.fn(() => (there ? Promise.resolve() : Promise.reject(new Error('gone'))))
  const connection = new Connection(ask)
  const found = vi.fn()
  const told = vi.fn()
  connection.onFound(found)
  connection.subscribe(told)
  connection.lost()
  connection.lost()
  expect(connection.silent()).toBe(true)
  await vi.advanceTimersByTimeAsync(8000)
  expect(ask).toHaveBeenCalledTimes(3)
  there = true
  await vi.advanceTimersByTimeAsync(8000)
  expect([connection.silent(), found.mock.calls.length, told.mock.calls.length]).toEqual([false, 1, 2])
  await vi.advanceTimersByTimeAsync(60_000)
  expect(ask).toHaveBeenCalledTimes(4)
})

test('any answer ends the silence, and a doubt that is unfounded says nothing', async () => {
  const ask = vi.fn(() => Promise.resolve())
  const connection = new Connection(ask)
  const told = vi.fn()
  connection.subscribe(told)
  await connection.askNow()
  expect(told).not.toHaveBeenCalled()
  connection.lost()
  connection.heard()
  await vi.advanceTimersByTimeAsync(60_000)
  expect([connection.silent(), ask.mock.calls.length]).toEqual([false, 1])
})
