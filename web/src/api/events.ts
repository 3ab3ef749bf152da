import { ROOT } from './client'
import type { JobRow, ServerEvent } from './types'

type Listener = (event: ServerEvent | { kind: 'reconnected' }) => void

const listeners = new Set<Listener>()
let started = false

function tell(event: Parameters<Listener>[0]) {
  for (const listener of listeners) listener(event)
}

function listen(forward: (event: Parameters<Listener>[0]) => void) {
  const source = new EventSource(`${ROOT}/events`)
  let broken = false
  source.addEventListener('job', (event) => forward({ kind: 'job', job: JSON.parse(event.data) as JobRow }))
  source.addEventListener('study', (event) =>
    forward({ kind: 'study', id: (JSON.parse(event.data) as { id: string }).id }),
  )
  source.addEventListener('upload', (event) =>
    forward({ kind: 'upload', id: (JSON.parse(event.data) as { id: string }).id }),
  )
  source.onerror = () => {
    broken = true
    // A refused stream (login gone, server restarting behind a proxy) is closed for good by the browser: try again.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(forward), 5000)
  }
  source.onopen = () => {
    if (broken) forward({ kind: 'reconnected' })
    broken = false
  }
}

/**
 * One stream a browser: HTTP/1.1 allows six connections to a host, and readers open many tabs.
 * The tab that holds the lock listens and passes on what it hears; when it closes, another takes over.
 */
function start() {
  if (typeof EventSource === 'undefined') return
  if (!('locks' in navigator) || typeof BroadcastChannel === 'undefined') {
    listen(tell)
    return
  }
  const channel = new BroadcastChannel('glioscope-events')
  channel.onmessage = (message) => tell(message.data as ServerEvent)
  void navigator.locks.request('glioscope-events', () => {
    listen((event) => {
      tell(event)
      channel.postMessage(event)
    })
    return new Promise<never>(() => undefined)
  })
}

/** Calls `listener` for every event of the server; gives the function that stops it. */
export function onServerEvent(listener: Listener): () => void {
  listeners.add(listener)
  if (!started) {
    started = true
    start()
  }
  return () => {
    listeners.delete(listener)
  }
}
