import { useSyncExternalStore } from 'react'
import { ApiError, connection, post } from '../api/client'
import { type Picked, sortPicked } from './pick'
import { type Send, sendFile, type Transfer } from './transfer'

/** Two at a time keep the line full; a browser gives a server six connections, and the page needs some of them. */
const AT_ONCE = 2
/** Waits before a broken transfer is tried again, in ms. */
const PAUSES = [1000, 3000, 8000]

export interface UploadsState {
  /** The upload that the files go to; null before the first file. */
  upload: string | null
  transfers: readonly Transfer[]
  /** Names of dropped files that are neither NIfTI nor ZIP. */
  left: readonly string[]
  /** Why no upload could be opened. */
  error: unknown
}

const nothing: UploadsState = { upload: null, transfers: [], left: [], error: null }
type Open = () => Promise<{ id: string }>

/** Sends files one after another, whatever page is open. Lives as long as the tab. */
export class Uploads {
  #state = nothing
  #files = new Map<string, Picked>()
  #tries = new Map<string, number>()
  #stops = new Map<string, AbortController>()
  #opening: Promise<string> | null = null
  #listeners = new Set<() => void>()
  #last = 0
  readonly #send: Send
  readonly #open: Open

  constructor(send: Send, open: Open) {
    this.#send = send
    this.#open = open
  }

  readonly state = (): UploadsState => this.#state

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** Goes on with an upload that the server still has open. */
  resume(upload: string) {
    if (this.#state.upload === null) this.#set({ upload })
  }

  add(picked: readonly Picked[]) {
    const { files, left } = sortPicked(picked)
    const transfers = files.map((one): Transfer => {
      this.#last += 1
      const key = String(this.#last)
      this.#files.set(key, one)
      return { key, name: one.name, bytes: one.file.size, sent: 0, state: 'waiting', began: null, error: null }
    })
    // A file that is sent again takes the place of the one of its name.
    const names = new Set(files.map((file) => file.name))
    const kept = this.#state.transfers.filter((transfer) => !names.has(transfer.name) || transfer.state === 'sending')
    this.#set({ transfers: [...kept, ...transfers], left, error: null })
    this.#next()
  }

  retry(key: string) {
    this.#tries.delete(key)
    this.#change(key, { state: 'waiting', error: null, sent: 0 })
    this.#next()
  }

  /** Stops a file, or takes a failed one off the list. */
  drop(key: string) {
    this.#stops.get(key)?.abort()
    this.#files.delete(key)
    this.#set({ transfers: this.#state.transfers.filter((transfer) => transfer.key !== key) })
    this.#next()
  }

  /** Forgets the upload: it became studies, or was thrown away. */
  finish() {
    for (const stop of this.#stops.values()) stop.abort()
    this.#files.clear()
    this.#opening = null
    this.#state = nothing
    this.#publish()
  }

  #next() {
    const sending = this.#state.transfers.filter((transfer) => transfer.state === 'sending').length
    const waiting = this.#state.transfers.filter((transfer) => transfer.state === 'waiting').slice(0, AT_ONCE - sending)
    for (const transfer of waiting) void this.#sendOne(transfer.key)
  }

  async #id(): Promise<string> {
    if (this.#state.upload !== null) return this.#state.upload
    this.#opening ??= this.#open().then(({ id }) => {
      this.#set({ upload: id, error: null })
      return id
    })
    try {
      return await this.#opening
    } catch (error) {
      this.#opening = null
      this.#set({ error })
      throw error
    }
  }

  async #sendOne(key: string) {
    const picked = this.#files.get(key)
    if (picked === undefined) return
    const stop = new AbortController()
    this.#stops.set(key, stop)
    this.#change(key, { state: 'sending', began: Date.now(), sent: 0 })
    try {
      const id = await this.#id()
      // Taken off the list while the upload was being opened.
      if (stop.signal.aborted) return
      await this.#send(id, picked, (sent) => this.#change(key, { sent: Math.min(sent, picked.file.size) }), stop.signal)
      this.#files.delete(key)
      this.#change(key, { state: 'stored', sent: picked.file.size })
    } catch (error) {
      if (stop.signal.aborted) return
      this.#fail(key, error)
    } finally {
      this.#stops.delete(key)
      this.#next()
    }
  }

  /** A broken line is tried again by itself; what the server refuses is not. */
  #fail(key: string, error: unknown) {
    const problem =
      error instanceof ApiError
        ? error
        : new ApiError({ code: 'unknown', status: 0, title: 'Failed', detail: String(error) })
    const tries = this.#tries.get(key) ?? 0
    const pause = problem.status === 0 || problem.status === 503 ? PAUSES[tries] : undefined
    this.#change(key, { state: 'failed', error: problem, began: null })
    if (pause === undefined) return
    this.#tries.set(key, tries + 1)
    setTimeout(() => {
      if (this.#state.transfers.some((transfer) => transfer.key === key && transfer.state === 'failed')) {
        this.#change(key, { state: 'waiting', error: null })
        this.#next()
      }
    }, pause)
  }

  #change(key: string, change: Partial<Transfer>) {
    this.#set({
      transfers: this.#state.transfers.map((transfer) =>
        transfer.key === key ? { ...transfer, ...change } : transfer,
      ),
    })
  }

  #set(change: Partial<UploadsState>) {
    this.#state = { ...this.#state, ...change }
    this.#publish()
  }

  #publish() {
    for (const listener of this.#listeners) listener()
  }
}

export const isBusy = ({ transfers }: UploadsState): boolean =>
  transfers.some((transfer) => transfer.state === 'waiting' || transfer.state === 'sending')

/** The uploads of this tab. */
export const uploads = new Uploads(sendFile, () => post<{ id: string }>('uploads'))

// Closing the tab would stop what is being sent: the browser asks once.
window.addEventListener('beforeunload', (event) => {
  if (isBusy(uploads.state())) event.preventDefault()
})
// What broke because nobody answered is sent again when somebody does.
const goOn = () => {
  for (const transfer of uploads.state().transfers)
    if (transfer.state === 'failed' && transfer.error?.status === 0) uploads.retry(transfer.key)
}
window.addEventListener('online', goOn)
connection.onFound(goOn)

export function useUploads(): UploadsState {
  return useSyncExternalStore(uploads.subscribe, uploads.state)
}
