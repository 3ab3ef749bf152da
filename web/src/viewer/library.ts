/** Volumes and masks of one study, each fetched once. */

import { plainReader, type Reader } from './reader'
import type { Labels, Volume } from './volume'
import { type Spread, spreadOf } from './window'

export type Fetch = (url: string, signal: AbortSignal) => Promise<ArrayBuffer>

export class Library {
  readonly #fetch: Fetch
  readonly #reader: Reader
  #closing = new AbortController()
  readonly #volumes = new Map<string, Volume>()
  readonly #spreads = new Map<string, Spread>()
  readonly #labels = new Map<string, Labels>()
  readonly #revisions = new Map<string, number>()
  readonly #waiting = new Map<string, Promise<void>>()
  readonly #failed = new Map<string, { readonly reason: unknown; readonly load: () => Promise<void> }>()
  readonly #listeners = new Set<() => void>()
  #revision = 0

  constructor(fetch: Fetch, reader: Reader = plainReader) {
    this.#fetch = fetch
    this.#reader = reader
  }

  volume(url: string): Volume | null {
    return this.#volumes.get(url) ?? null
  }

  labels(key: string): Labels | null {
    return this.#labels.get(key) ?? null
  }

  /** The intensities of a volume that is there, sampled once. */
  spread(url: string): Spread | null {
    const known = this.#spreads.get(url)
    if (known) return known
    const volume = this.#volumes.get(url)
    if (!volume) return null
    const spread = spreadOf(volume.values)
    this.#spreads.set(url, spread)
    return spread
  }

  /** Why a volume or mask is not there; null where it has not failed. */
  failure(key: string): unknown {
    return this.#failed.get(key)?.reason ?? null
  }

  /** Counts the changes of one mask. */
  revisionOf(key: string): number {
    return this.#revisions.get(key) ?? 0
  }

  /** Counts all changes. */
  get revision(): number {
    return this.#revision
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** Fetches a volume unless it is there or on its way. Never throws: ask `failure`. */
  loadVolume(url: string): Promise<void> {
    if (this.#volumes.has(url)) return Promise.resolve()
    return this.#once(url, this.#reader.volume, (volume) => this.#volumes.set(url, volume))
  }

  loadLabels(url: string): Promise<void> {
    if (this.#labels.has(url)) return Promise.resolve()
    return this.#once(url, this.#reader.labels, (labels) => this.#labels.set(url, labels))
  }

  /** Puts a mask there that comes from elsewhere: an edit, a difference. */
  setLabels(key: string, labels: Labels): void {
    this.#labels.set(key, labels)
    this.touch(key)
  }

  dropLabels(key: string): void {
    if (this.#labels.delete(key)) this.touch(key)
  }

  /** Says that a mask's voxels have changed. */
  touch(key: string): void {
    this.#revisions.set(key, this.revisionOf(key) + 1)
    this.#changed()
  }

  /** Asks again for what has failed. */
  again(): void {
    const failed = [...this.#failed.values()]
    this.#failed.clear()
    for (const { load } of failed) void load()
    if (failed.length > 0) this.#changed()
  }

  /** Stops what is on its way and lets go of everything; asked again, it begins anew. */
  close(): void {
    this.#closing.abort()
    this.#reader.close()
    this.#closing = new AbortController()
    this.#volumes.clear()
    this.#labels.clear()
    this.#spreads.clear()
    this.#waiting.clear()
    this.#failed.clear()
    this.#revisions.clear()
  }

  #once<T>(key: string, read: (bytes: ArrayBuffer) => Promise<T>, keep: (found: T) => void): Promise<void> {
    const known = this.#waiting.get(key)
    if (known) return known
    const { signal } = this.#closing
    const work = this.#fetch(key, signal)
      .then((bytes) => (signal.aborted ? null : read(bytes)))
      .then((found) => {
        if (found !== null && !signal.aborted) keep(found)
      })
      .catch((reason: unknown) => {
        const load = () => this.#once(key, read, keep)
        if (!signal.aborted) this.#failed.set(key, { reason: reason ?? 'failed', load })
      })
      .finally(() => {
        if (this.#waiting.get(key) === work) this.#waiting.delete(key)
        if (!signal.aborted) this.#changed()
      })
    this.#waiting.set(key, work)
    return work
  }

  #changed(): void {
    this.#revision++
    for (const listener of this.#listeners) listener()
  }
}
