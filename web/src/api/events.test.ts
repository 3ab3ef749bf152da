import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Stream } from './events'
import type { ServerEvent } from './types'

/** A stream that the test speaks through. */
class Spoken extends EventTarget {
  static readonly CONNECTING = 0
  static readonly OPEN = 1
  static readonly CLOSED = 2
  static made: Spoken[] = []
  readyState = Spoken.CONNECTING
  onopen: (() => void) | null = null
  onerror: (() => void) | null = null

  constructor() {
    super()
    Spoken.made.push(this)
  }

  close() {
    this.readyState = Spoken.CLOSED
  }

  open() {
    this.readyState = Spoken.OPEN
    this.onopen?.()
  }

  fail(state: number) {
    this.readyState = state
    this.onerror?.()
  }

  say(kind: string, data: unknown) {
    this.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify(data) }))
  }
}

const newest = () => {
  const stream = Spoken.made.at(-1)
  if (!stream) throw new Error('no stream was opened')
  return stream
}

beforeEach(() => {
  vi.useFakeTimers()
  Spoken.made = []
  vi.stubGlobal('EventSource', Spoken)
  vi.stubGlobal('fetch', () => Promise.resolve(Response.json({})))
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('tells what the server says, its lost events too', () => {
  const heard: ServerEvent[] = []
  new Stream((event) => heard.push(event), 'from the start')
  newest().open()
  newest().say('study', { id: '7' })
  newest().say('missed', {})
  expect(heard).toEqual([{ kind: 'study', id: '7' }, { kind: 'missed' }])
})

test('says after every break that something may have been missed, and opens again when it was refused', async () => {
  const heard: string[] = []
  new Stream(({ kind }) => heard.push(kind), 'from the start')
  newest().open()
  expect(heard).toEqual([])
  newest().fail(Spoken.CONNECTING)
  newest().open()
  expect(heard).toEqual(['missed'])
  newest().fail(Spoken.CLOSED)
  await vi.advanceTimersByTimeAsync(5000)
  expect(Spoken.made).toHaveLength(2)
  newest().open()
  expect(heard).toEqual(['missed', 'missed'])
})

test('a tab that takes over asks for everything anew; nobody waits for a browser that is slow to try again', () => {
  const heard: string[] = []
  const stream = new Stream(({ kind }) => heard.push(kind), 'late')
  newest().fail(Spoken.CONNECTING)
  stream.hurry()
  expect(Spoken.made).toHaveLength(2)
  newest().open()
  stream.hurry()
  expect([Spoken.made.length, heard]).toEqual([2, ['missed']])
})
