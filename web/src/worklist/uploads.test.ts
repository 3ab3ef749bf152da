import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ApiError } from '../api/client'
import type { Picked } from './pick'
import { isBusy, Uploads } from './uploads'

const picked = (name: string): Picked => ({ name, file: new File(['12345678'], name) })
const refusal = (status: number, code: string) => new ApiError({ status, code, title: code, detail: code })

interface Sent {
  name: string
  resolve: () => void
  reject: (error: Error) => void
}

function rig() {
  const sent: Sent[] = []
  let opened = 0
  const uploads = new Uploads(
    (_upload, file, onSent) =>
      new Promise((resolve, reject) => {
        onSent(4)
        sent.push({ name: file.name, resolve: () => resolve([]), reject })
      }),
    () => {
      opened += 1
      return Promise.resolve({ id: 'u1' })
    },
  )
  return { uploads, sent, opened: () => opened }
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})
const settle = () => vi.advanceTimersByTimeAsync(0)

test('one upload for all files, two files at a time, in order', async () => {
  const { uploads, sent, opened } = rig()
  uploads.add(['a.nii', 'b.nii', 'c.nii'].map(picked))
  await settle()
  expect(sent.map((one) => one.name)).toEqual(['a.nii', 'b.nii'])
  sent[0]?.resolve()
  await settle()
  expect(sent.map((one) => one.name)).toEqual(['a.nii', 'b.nii', 'c.nii'])
  expect(uploads.state().transfers.map((transfer) => [transfer.state, transfer.sent])).toEqual([
    ['stored', 8],
    ['sending', 4],
    ['sending', 4],
  ])
  expect([opened(), uploads.state().upload, isBusy(uploads.state())]).toEqual([1, 'u1', true])
})

test('a broken line is tried again by itself, a refusal is not', async () => {
  const { uploads, sent } = rig()
  uploads.add([picked('a.nii'), picked('b.nii')])
  await settle()
  sent[0]?.reject(refusal(0, 'offline'))
  sent[1]?.reject(refusal(413, 'too_large'))
  await settle()
  expect(uploads.state().transfers.map((transfer) => transfer.error?.code)).toEqual(['offline', 'too_large'])
  await vi.advanceTimersByTimeAsync(60_000)
  expect(sent.map((one) => one.name)).toEqual(['a.nii', 'b.nii', 'a.nii'])
})

test('after three more attempts it waits for the person', async () => {
  const { uploads, sent } = rig()
  uploads.add([picked('a.nii')])
  for (let i = 0; i < 6; i++) {
    await vi.advanceTimersByTimeAsync(60_000)
    sent[i]?.reject(refusal(0, 'offline'))
  }
  await vi.advanceTimersByTimeAsync(60_000)
  expect(sent).toHaveLength(4)
  const key = uploads.state().transfers[0]?.key ?? ''
  uploads.retry(key)
  await settle()
  sent[4]?.resolve()
  await settle()
  expect(uploads.state().transfers[0]?.state).toBe('stored')
})

test('a file sent anew takes the place of the one of its name', async () => {
  const { uploads, sent } = rig()
  uploads.add([picked('a.nii')])
  await settle()
  sent[0]?.reject(refusal(422, 'invalid'))
  await settle()
  uploads.add([picked('a.nii'), picked('notes.txt')])
  await settle()
  expect(uploads.state().transfers.map((transfer) => transfer.name)).toEqual(['a.nii'])
  expect(uploads.state().left).toEqual(['notes.txt'])
})

test('where no upload can be opened, the reason is kept', async () => {
  const uploads = new Uploads(
    () => Promise.resolve([]),
    () => Promise.reject(refusal(403, 'role_too_low')),
  )
  uploads.add([picked('a.nii')])
  await settle()
  expect(uploads.state().error).toMatchObject({ code: 'role_too_low' })
})
