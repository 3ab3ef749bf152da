/** Where unsaved edits lie: this browser's database, and the server. */

import { ApiError, remove, send } from '../api/client'
import { readLabels } from '../viewer/nifti'

/** The server's name for one state of a draft. */
export type Tag = string

export interface Draft {
  /** The version that is edited; null where painting began with nothing. */
  readonly parent: string | null
  /** The largest number of a version that the page knew of. */
  readonly after: number
  readonly bytes: ArrayBuffer
  /** The server's draft that these edits go on from; null where none is known. */
  readonly known: Tag | null
}

/** As this browser keeps it. */
export interface KeptDraft extends Draft {
  /** The server has it too: what the server says of it counts. */
  readonly sent: boolean
  /** Tells this state of the draft from the one that another tab has put in its place. */
  readonly stamp: string
}

/** Whose draft of which study. */
export interface Place {
  readonly person: string
  readonly study: string
}

/** What the server said to a draft; `elsewhere`: it has one from another tab or computer, and wrote nothing. */
export type Answer = { readonly tag: Tag } | 'elsewhere' | 'silent'

/** Where drafts lie; the tests have their own. */
export interface Shelves {
  /** This browser's draft; null where it keeps none (private windows). */
  local(place: Place): Promise<KeptDraft | null>
  /** Says whether this browser has it now. One that another tab keeps here alone is not overwritten. */
  keepLocally(place: Place, draft: KeptDraft, known: string | null): Promise<boolean>
  /** As above: what another tab keeps here alone stays. */
  dropLocally(place: Place, known: string | null): Promise<void>
  /** The server's draft, `known` being its own tag; `silent` where it did not answer. */
  remote(place: Place): Promise<Draft | null | 'silent'>
  /** `whatever`: in place of whatever the server has. */
  keepRemotely(place: Place, draft: Draft, over: 'known' | 'whatever'): Promise<Answer>
  /** Says whether the server has it no more. */
  dropRemotely(place: Place, known: Tag): Promise<boolean>
  /** Whether two drafts show the same. */
  alike(one: Draft, other: Draft): Promise<boolean>
}

const STORE = 'drafts'
const keyOf = ({ person, study }: Place) => `${person} ${study}`

function database(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('glioscope', 1)
    request.onupgradeneeded = () => request.result.createObjectStore(STORE)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('the browser keeps no drafts'))
  })
}

function answerOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('the browser keeps no drafts'))
  })
}

async function inStore<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => Promise<T>): Promise<T> {
  const open = await database()
  try {
    return await work(open.transaction(STORE, mode).objectStore(STORE))
  } finally {
    open.close()
  }
}

/** A draft as it was kept, also by a version of the page that wrote less. */
function draftIn(value: unknown): KeptDraft | null {
  if (typeof value !== 'object' || value === null || !('bytes' in value) || !(value.bytes instanceof ArrayBuffer)) {
    return null
  }
  const text = (name: string) => {
    const found: unknown = Reflect.get(value, name)
    return typeof found === 'string' ? found : null
  }
  return {
    parent: text('parent'),
    after: 'after' in value && typeof value.after === 'number' ? value.after : 0,
    bytes: value.bytes,
    known: text('known'),
    sent: 'sent' in value && value.sent === true,
    stamp: text('stamp') ?? '',
  }
}

/** Changes this browser's draft in one transaction, unless another tab has put one there that nobody else has. */
function unlessAnothers(place: Place, known: string | null, change: (store: IDBObjectStore) => IDBRequest) {
  return inStore('readwrite', async (store) => {
    const there = draftIn(await answerOf(store.get(keyOf(place))))
    if (there && !there.sent && there.stamp !== known) return false
    await answerOf(change(store))
    return true
  }).catch(() => false)
}

const tagOf = (answer: Response): Tag | null =>
  answer.headers.get('ETag')?.replace(/^W\//, '').replaceAll('"', '') ?? null

export const shelves: Shelves = {
  async local(place) {
    return draftIn(await inStore('readonly', (store) => answerOf(store.get(keyOf(place)))).catch(() => null))
  },
  keepLocally: (place, draft, known) => unlessAnothers(place, known, (store) => store.put(draft, keyOf(place))),
  dropLocally: (place, known) =>
    unlessAnothers(place, known, (store) => store.delete(keyOf(place))).then(() => undefined),
  async remote({ study }) {
    try {
      const answer = await send('GET', `studies/${study}/draft`)
      if (answer.status === 204) return null
      const parent = answer.headers.get('Glioscope-Parent')
      return { parent, after: 0, bytes: await answer.arrayBuffer(), known: tagOf(answer) }
    } catch (error) {
      return error instanceof ApiError && error.status === 404 ? null : 'silent'
    }
  },
  async keepRemotely({ study }, { parent, after, bytes, known }, over) {
    const body = new Blob([bytes], { type: 'application/gzip' })
    const query = { parent, after, known: over === 'whatever' ? null : (known ?? 'none') }
    try {
      return { tag: tagOf(await send('PUT', `studies/${study}/draft`, { body, query })) ?? '' }
    } catch (error) {
      return error instanceof ApiError && error.code === 'draft_elsewhere' ? 'elsewhere' : 'silent'
    }
  },
  dropRemotely: ({ study }, known) =>
    remove(`studies/${study}/draft`, { known })
      .then(() => true)
      .catch((error: unknown) => !(error instanceof ApiError && error.status === 0)),
  async alike(one, other) {
    try {
      const [a, b] = await Promise.all([readLabels(one.bytes), readLabels(other.bytes)])
      return a.values.length === b.values.length && a.values.every((code, i) => code === b.values[i])
    } catch {
      return false
    }
  },
}
