/** Makes volumes of files beside the page, so that nothing stutters while four of them are unpacked. */

import { NotAVolume, readLabels, readVolume } from './nifti'
import type { Labels, Volume } from './volume'

export interface Reader {
  volume(bytes: ArrayBuffer): Promise<Volume>
  labels(bytes: ArrayBuffer): Promise<Labels>
  /** Gives back what reading needs; asked again, it begins anew. */
  close(): void
}

/** Reads where the page itself runs: for the tests, and for browsers that start no worker. */
export const plainReader: Reader = { volume: readVolume, labels: readLabels, close: () => undefined }

/** A file for the worker; its bytes are handed over and not copied. */
export interface Order {
  readonly id: number
  readonly kind: 'volume' | 'labels'
  readonly bytes: ArrayBuffer
}

export type Answer =
  | { readonly id: number; readonly kind: 'volume'; readonly found: Volume }
  | { readonly id: number; readonly kind: 'labels'; readonly found: Labels }
  | { readonly id: number; readonly kind: 'refused'; readonly why: string }

interface Waiting {
  readonly settle: (answer: Answer) => void
  readonly fail: (reason: Error) => void
}

/** Reads in a worker, which is started with the first file. `start` gives none where the browser has none. */
export function workerReader(start: () => Worker | null): Reader {
  const waiting = new Map<number, Waiting>()
  let worker: Worker | null = null
  let last = 0
  let answered = false
  let usable = true

  const stop = (reason: string) => {
    worker?.terminate()
    worker = null
    for (const { fail } of waiting.values()) fail(new Error(reason))
    waiting.clear()
  }
  const begun = (): Worker | null => {
    if (worker || !usable) return worker
    worker = start()
    worker?.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
      answered = true
      waiting.get(data.id)?.settle(data)
      waiting.delete(data.id)
    })
    worker?.addEventListener('error', () => {
      // One that never came to life (a proxy's policy, say) is not tried again: the page reads for itself.
      usable = answered
      stop('the worker that reads files has ended')
    })
    return worker
  }
  const ask = (kind: Order['kind'], bytes: ArrayBuffer): Promise<Answer> | null => {
    const to = begun()
    if (!to) return null
    const order: Order = { id: ++last, kind, bytes }
    return new Promise((settle, fail) => {
      waiting.set(order.id, { settle, fail })
      to.postMessage(order, [bytes])
    })
  }

  return {
    async volume(bytes) {
      const answer = await ask('volume', bytes)
      if (answer === null) return readVolume(bytes)
      if (answer.kind === 'volume') return answer.found
      throw refused(answer)
    },
    async labels(bytes) {
      const answer = await ask('labels', bytes)
      if (answer === null) return readLabels(bytes)
      if (answer.kind === 'labels') return answer.found
      throw refused(answer)
    },
    close: () => stop('the study was closed'),
  }
}

function refused(answer: Answer): NotAVolume {
  return new NotAVolume(answer.kind === 'refused' ? answer.why : 'another kind of file')
}

/** The worker of this page; null where there are none. */
export function readingWorker(): Worker | null {
  if (typeof Worker === 'undefined') return null
  try {
    return new Worker(new URL('./reading.worker.ts', import.meta.url), { type: 'module' })
  } catch {
    return null
  }
}
