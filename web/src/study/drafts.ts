/** Unsaved edits outlive the tab: in this browser at once, on the server a moment later. */

import { ApiError, remove, send, sendBytes } from '../api/client'

export interface Draft {
  readonly parent: string
  readonly bytes: ArrayBuffer
}

const STORE = 'drafts'
let last: Promise<unknown> = Promise.resolve()

/** One after another: a draft on its way must not arrive after the word that it is not needed any more. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const next = last.then(work)
  last = next.catch(() => undefined)
  return next
}

function database(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('glioscope', 1)
    request.onupgradeneeded = () => request.result.createObjectStore(STORE)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('the browser keeps no drafts'))
  })
}

async function inStore<T>(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const open = await database()
  try {
    return await new Promise((resolve, reject) => {
      const request = ask(open.transaction(STORE, mode).objectStore(STORE))
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error ?? new Error('the browser keeps no drafts'))
    })
  } finally {
    open.close()
  }
}

function isDraft(value: unknown): value is Draft {
  return (
    typeof value === 'object' &&
    value !== null &&
    'parent' in value &&
    typeof value.parent === 'string' &&
    'bytes' in value &&
    value.bytes instanceof ArrayBuffer
  )
}

/** This browser's draft. A browser without a store (private windows) simply has none. */
export async function localDraft(study: string): Promise<Draft | null> {
  const value: unknown = await inStore('readonly', (store) => store.get(study)).catch(() => null)
  return isDraft(value) ? value : null
}

export function keepLocally(study: string, draft: Draft): Promise<void> {
  return inTurn(async () => {
    await inStore('readwrite', (store) => store.put(draft, study)).catch(() => undefined)
  })
}

/** The server's draft of this person; it says itself which version it changes. */
export async function serverDraft(study: string): Promise<Draft | null> {
  try {
    const answer = await send('GET', `studies/${study}/draft`)
    const parent = answer.headers.get('Glioscope-Parent')
    return parent ? { parent, bytes: await answer.arrayBuffer() } : null
  } catch (error) {
    if (error instanceof ApiError) return null
    throw error
  }
}

/** Sends a draft; says whether the server has it. Without it the browser's own copy is still there. */
export function keepOnServer(study: string, draft: Draft): Promise<boolean> {
  const body = new Blob([draft.bytes], { type: 'application/gzip' })
  return inTurn(() =>
    sendBytes('PUT', `studies/${study}/draft`, body, { parent: draft.parent })
      .then(() => true)
      .catch(() => false),
  )
}

export function dropDraft(study: string): Promise<void> {
  return inTurn(async () => {
    await inStore('readwrite', (store) => store.delete(study)).catch(() => undefined)
    await remove(`studies/${study}/draft`).catch(() => undefined)
  })
}
