/** Unsaved edits outlive the tab: in this browser at once, on the server a moment later. */

import { ApiError, connection, remove, send, sendBytes } from '../api/client'
import { writeLabels } from '../viewer/nifti'
import type { Labels } from '../viewer/volume'

export interface Draft {
  /** The version that is edited; null where painting began with nothing. */
  readonly parent: string | null
  /** The largest number of a version that the page knew of. */
  readonly after: number
  readonly bytes: ArrayBuffer
}

/** As this browser keeps it. */
export interface KeptDraft extends Draft {
  /** The server has it too: what the server says of it counts. */
  readonly sent: boolean
}

/** Whose draft of which study. */
export interface Place {
  readonly person: string
  readonly study: string
}

const STORE = 'drafts'
const keyOf = ({ person, study }: Place) => `${person} ${study}`
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

function isDraft(value: unknown): value is KeptDraft {
  return (
    typeof value === 'object' &&
    value !== null &&
    'parent' in value &&
    (value.parent === null || typeof value.parent === 'string') &&
    'after' in value &&
    typeof value.after === 'number' &&
    'sent' in value &&
    'bytes' in value &&
    value.bytes instanceof ArrayBuffer
  )
}

/** Where drafts lie; the tests have their own. */
export interface Shelves {
  /** This browser's draft; null where it keeps none (private windows). */
  local(place: Place): Promise<KeptDraft | null>
  /** Says whether this browser has it now. */
  keepLocally(place: Place, draft: KeptDraft): Promise<boolean>
  dropLocally(place: Place): Promise<void>
  /** The server's draft; `silent` where it did not answer. */
  remote(place: Place): Promise<Draft | null | 'silent'>
  /** Says whether the server has it now. */
  keepRemotely(place: Place, draft: Draft): Promise<boolean>
  /** Says whether the server has none any more. */
  dropRemotely(place: Place): Promise<boolean>
}

export const shelves: Shelves = {
  async local(place) {
    const value: unknown = await inStore('readonly', (store) => store.get(keyOf(place))).catch(() => null)
    return isDraft(value) ? value : null
  },
  keepLocally: (place, draft) =>
    inStore('readwrite', (store) => store.put(draft, keyOf(place)))
      .then(() => true)
      .catch(() => false),
  dropLocally: (place) => inStore('readwrite', (store) => store.delete(keyOf(place))).catch(() => undefined),
  async remote({ study }) {
    try {
      const answer = await send('GET', `studies/${study}/draft`)
      if (answer.status === 204) return null
      return { parent: answer.headers.get('Glioscope-Parent'), after: 0, bytes: await answer.arrayBuffer() }
    } catch (error) {
      return error instanceof ApiError && error.status === 404 ? null : 'silent'
    }
  },
  keepRemotely({ study }, { parent, after, bytes }) {
    const body = new Blob([bytes], { type: 'application/gzip' })
    return sendBytes('PUT', `studies/${study}/draft`, body, { parent, after })
      .then(() => true)
      .catch(() => false)
  },
  dropRemotely: ({ study }) =>
    remove(`studies/${study}/draft`)
      .then(() => true)
      .catch((error: unknown) => !(error instanceof ApiError && error.status === 0)),
}

export type Kept = 'not yet' | 'here' | 'server'

/** The draft to go on with, and where it lies. What never reached the server is the newest; of all else the server knows better. */
export async function broughtBack(
  place: Place,
  from: Shelves = shelves,
): Promise<{ draft: Draft; kept: 'here' | 'server' } | null> {
  const local = await from.local(place)
  if (local && !local.sent) return { draft: local, kept: 'here' }
  const remote = await from.remote(place)
  if (remote === 'silent') return local && { draft: local, kept: 'server' }
  // Saved or discarded elsewhere.
  if (remote === null && local) await from.dropLocally(place)
  return remote && { draft: remote, kept: 'server' }
}

/** A moment without a stroke, in ms, after which the edits are kept. */
const REST = 600

interface Note {
  readonly parent: string | null
  readonly after: number
  readonly labels: Labels
}

/** Keeps the latest edits of one study, in order, whatever the page does meanwhile. */
export class DraftKeeper {
  readonly #place: Place
  readonly #shelves: Shelves
  readonly #onKept: (kept: Kept) => void
  readonly #stopHearing: () => void
  #noted: Note | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #turn = 0
  /** The turn that is being kept or is. */
  #going = 0
  #kept: Kept = 'not yet'
  /** Whether there may be a draft at all. */
  #used = false
  /** What the server has not heard of yet. */
  #unsent: Draft | 'dropped' | null = null

  constructor(place: Place, onKept: (kept: Kept) => void, to: Shelves = shelves) {
    this.#place = place
    this.#onKept = onKept
    this.#shelves = to
    this.#stopHearing = connection.onFound(() => void this.#sendAgain())
  }

  /** Whether closing the tab now would lose something. */
  get atRisk(): boolean {
    return this.#kept === 'not yet' && this.#noted !== null
  }

  /** The draft was brought back from where it lies. */
  found(kept: Kept): void {
    this.#used = true
    this.#say(kept)
  }

  /** Something was edited: it is kept when the hand rests. */
  note(note: Note): void {
    this.#turn++
    this.#used = true
    this.#noted = note
    this.#unsent = null
    this.#say('not yet')
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.flush(), REST)
  }

  /** Does not wait for a rest: the page is being left. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (!this.#noted || this.#going === this.#turn) return
    this.#going = this.#turn
    void this.#keep(this.#noted, this.#turn)
  }

  /** The edits are saved, discarded or taken back: no draft is left. */
  drop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#turn++
    this.#noted = null
    this.#unsent = null
    if (!this.#used) return Promise.resolve()
    this.#used = false
    const turn = this.#turn
    return inTurn(async () => {
      await this.#shelves.dropLocally(this.#place)
      await this.#dropRemotely(turn)
    })
  }

  /** Keeps what is not kept yet, and says nothing any more. */
  close(): void {
    this.flush()
    this.#stopHearing()
  }

  async #keep({ parent, after, labels }: Note, turn: number): Promise<void> {
    // The voxels are copied before the first wait: later strokes are not in it.
    const bytes = (await writeLabels(labels.values, labels.source)).buffer
    const draft: Draft = { parent, after, bytes }
    await inTurn(async () => {
      if (turn !== this.#turn) return
      const here = await this.#shelves.keepLocally(this.#place, { ...draft, sent: false })
      if (turn !== this.#turn) return
      if (here) {
        this.#noted = null
        this.#say('here')
      }
      await this.#send(draft, turn)
    })
  }

  async #send(draft: Draft, turn: number): Promise<void> {
    const there = await this.#shelves.keepRemotely(this.#place, draft)
    if (turn !== this.#turn) return
    this.#unsent = there ? null : draft
    if (!there) return
    this.#noted = null
    this.#say('server')
    await this.#shelves.keepLocally(this.#place, { ...draft, sent: true })
  }

  async #dropRemotely(turn: number): Promise<void> {
    const dropped = await this.#shelves.dropRemotely(this.#place)
    if (turn === this.#turn) this.#unsent = dropped ? null : 'dropped'
  }

  async #sendAgain(): Promise<void> {
    const turn = this.#turn
    await inTurn(async () => {
      if (this.#unsent === null || turn !== this.#turn) return
      if (this.#unsent === 'dropped') await this.#dropRemotely(turn)
      else await this.#send(this.#unsent, turn)
    })
  }

  #say(kept: Kept): void {
    this.#kept = kept
    this.#onKept(kept)
  }
}
