import { connection, ROOT } from './client'
import type { JobRow, ServerEvent } from './types'

type Listener = (event: ServerEvent) => void

const listeners = new Set<Listener>()
let started = false

function tell(event: ServerEvent) {
  for (const listener of listeners) listener(event)
}

/** Waits before a stream that the server refused is opened again, in ms. */
const PAUSE = 5000

/** The stream of one tab: it opens itself again, and says `missed` after every break. */
export class Stream {
  readonly #forward: Listener
  #source: EventSource | null = null
  #broken: boolean
  #timer: ReturnType<typeof setTimeout> | undefined

  /** `late`: something may have happened since the page asked for what it shows. */
  constructor(forward: Listener, late: 'late' | 'from the start') {
    this.#forward = forward
    this.#broken = late === 'late'
    this.#open()
  }

  /** Does not wait for the browser's own next try. */
  hurry(): void {
    if (this.#source?.readyState === EventSource.OPEN) return
    this.#broken = true
    this.#open()
  }

  #open(): void {
    clearTimeout(this.#timer)
    this.#source?.close()
    const source = new EventSource(`${ROOT}/events`)
    this.#source = source
    const hear = (kind: ServerEvent['kind'], read: (data: string) => ServerEvent) =>
      source.addEventListener(kind, (event) => this.#forward(read(event.data)))
    hear('job', (data) => ({ kind: 'job', job: JSON.parse(data) as JobRow }))
    hear('study', (data) => ({ kind: 'study', id: (JSON.parse(data) as { id: string }).id }))
    hear('upload', (data) => ({ kind: 'upload', id: (JSON.parse(data) as { id: string }).id }))
    hear('missed', () => ({ kind: 'missed' }))
    source.onerror = () => {
      this.#broken = true
      void connection.askNow()
      // A refused stream (login gone, server restarting behind a proxy) is closed for good by the browser: try again.
      if (source.readyState === EventSource.CLOSED) this.#timer = setTimeout(() => this.#open(), PAUSE)
    }
    source.onopen = () => {
      if (this.#broken) this.#forward({ kind: 'missed' })
      this.#broken = false
    }
  }
}

const LOCK = 'glioscope-events'

/**
 * One stream a browser: HTTP/1.1 allows six connections to a host, and readers open many tabs.
 * The tab that holds the lock listens and passes on what it hears; when it closes, another takes over.
 */
async function start() {
  let stream: Stream | null = null
  // Not every tab has the stream, but every tab notices when the server is there again.
  connection.onFound(() => {
    tell({ kind: 'missed' })
    stream?.hurry()
  })
  if (typeof EventSource === 'undefined') return
  if (!('locks' in navigator) || typeof BroadcastChannel === 'undefined') {
    stream = new Stream(tell, 'from the start')
    return
  }
  const channel = new BroadcastChannel(LOCK)
  channel.onmessage = (message) => tell(message.data as ServerEvent)
  const { held } = await navigator.locks.query()
  const waits = held?.some((lock) => lock.name === LOCK) ?? false
  await navigator.locks.request(LOCK, () => {
    const forward = (event: ServerEvent) => {
      tell(event)
      channel.postMessage(event)
    }
    // A tab that waited for its turn heard nothing between the last word of the other and now.
    stream = new Stream(forward, waits ? 'late' : 'from the start')
    return new Promise<never>(() => undefined)
  })
}

/** Calls `listener` for every event of the server; gives the function that stops it. */
export function onServerEvent(listener: Listener): () => void {
  listeners.add(listener)
  if (!started) {
    started = true
    void start()
  }
  return () => {
    listeners.delete(listener)
  }
}
