/** Unsaved edits outlive the tab: in this browser at once, on the server a moment later. */

import { connection } from '../api/client'
import { writeLabels } from '../viewer/nifti'
import type { Labels } from '../viewer/volume'
import { type Answer, type Draft, type KeptDraft, type Place, type Shelves, shelves, type Tag } from './shelves'

let last: Promise<unknown> = Promise.resolve()

/** One after another: a draft on its way must not arrive after the word that it is not needed any more. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const next = last.then(work)
  last = next.catch(() => undefined)
  return next
}

/** `elsewhere`: the server has other edits, from another tab or computer, and waits for a choice. */
export type Kept = 'not yet' | 'here' | 'server' | 'elsewhere'

/** A draft that was found, and where. */
export interface Found {
  readonly draft: Draft
  readonly kept: 'here' | 'server'
  /** Which state of this browser's draft was there. */
  readonly stamp: string | null
}

/** The draft to go on with, and where it lies. What never reached the server is the newest; of all else the server knows better. */
export async function broughtBack(place: Place, from: Shelves = shelves): Promise<Found | null> {
  const local = await from.local(place)
  const stamp = local?.stamp ?? null
  if (local && !local.sent) return { draft: local, kept: 'here', stamp }
  const remote = await from.remote(place)
  if (remote === 'silent') return local && { draft: local, kept: 'server', stamp }
  // Saved or discarded elsewhere.
  if (remote === null && local) await from.dropLocally(place, stamp)
  return remote && { draft: remote, kept: 'server', stamp }
}

/** A moment without a stroke, in ms, after which the edits are kept. */
const REST = 600

interface Note {
  readonly parent: string | null
  readonly after: number
  readonly labels: Labels
}

/**
 * Keeps the latest edits of one study, in order, whatever the page does meanwhile. Another tab of the same person may do
 * the same: neither writes over what the other has kept, until somebody chooses.
 */
export class DraftKeeper {
  readonly #place: Place
  readonly #shelves: Shelves
  readonly #onKept: (kept: Kept) => void
  readonly #stopHearing: () => void
  /** What neither browser nor server has yet. */
  #noted: Note | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #kept: Kept = 'not yet'
  #turn = 0
  /** The turn that is being kept or is. */
  #going = 0
  /** Until that is done. */
  #keeping: Promise<void> = Promise.resolve()
  /** Whether there may be a draft at all. */
  #used = false
  /** What the server has not heard of yet. */
  #unsent: Draft | 'dropped' | null = null
  /** What it may have heard of, though its answer never came. */
  #unanswered: Draft | null = null
  /** The draft that the server had when it was last heard. */
  #known: Tag | null = null
  /** What is to be overwritten on the server: what is known, or whatever is there. */
  #over: 'known' | 'whatever' = 'known'
  /** This browser's draft as this tab last saw or wrote it. */
  #stamp: string | null = null

  constructor(place: Place, onKept: (kept: Kept) => void, to: Shelves = shelves) {
    this.#place = place
    this.#onKept = onKept
    this.#shelves = to
    this.#stopHearing = connection.onFound(() => void this.#sendAgain())
  }

  /** Whether closing the tab now would lose something. */
  get atRisk(): boolean {
    return this.#noted !== null
  }

  /** The server's draft that these edits are kept in, as far as is known: a version that is made of them ends it. */
  get known(): Tag | null {
    return this.#known
  }

  /** The draft was brought back from where it lies. */
  found({ draft, kept, stamp }: Found): void {
    this.#used = true
    this.#known = draft.known
    this.#stamp = stamp
    // A tab that is closed hears no answer.
    this.#unanswered = kept === 'here' ? draft : null
    this.#say(kept)
  }

  /** Something was edited: it is kept when the hand rests. */
  note(note: Note): void {
    this.#turn++
    this.#used = true
    this.#noted = note
    this.#unsent = null
    this.#sayUnlessAsking('not yet')
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.flush(), REST)
  }

  /** Does not wait for a rest: the page is being left. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (!this.#noted || this.#going === this.#turn) return
    this.#going = this.#turn
    this.#keeping = this.#keep(this.#noted, this.#turn)
  }

  /** Until what was drawn is kept, or could not be: the server refuses a draft that a version of the same edits overtakes. */
  settled(): Promise<void> {
    this.flush()
    return this.#keeping
  }

  /** The edits are saved, discarded or taken back: no draft of them is left. */
  drop(): Promise<void> {
    this.#forget()
    if (!this.#used) return Promise.resolve()
    this.#used = false
    const turn = this.#turn
    return inTurn(async () => {
      await this.#shelves.dropLocally(this.#place, this.#stamp)
      await this.#dropRemotely(turn)
    })
  }

  /** These edits it is to be, whatever the server has from elsewhere. */
  async overwrite(): Promise<void> {
    this.#over = 'whatever'
    await this.#sendAgain()
  }

  /** What the server has from elsewhere. */
  other(): Promise<Draft | null | 'silent'> {
    return this.#shelves.remote(this.#place)
  }

  /** The edits from elsewhere it is to be: these are let go of. */
  async adopt(other: Draft): Promise<void> {
    this.#forget()
    this.found({ draft: other, kept: 'server', stamp: this.#stamp })
    await inTurn(() => this.#shelves.dropLocally(this.#place, this.#stamp))
  }

  /** Keeps what is not kept yet, and says nothing any more. */
  close(): void {
    this.flush()
    this.#stopHearing()
  }

  #forget(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#turn++
    this.#noted = null
    this.#unsent = null
    this.#over = 'known'
    this.#kept = 'not yet'
  }

  async #keep({ parent, after, labels }: Note, turn: number): Promise<void> {
    // The voxels are copied before the first wait: later strokes are not in it.
    const bytes = (await writeLabels(labels.values, labels.source)).buffer
    await inTurn(async () => {
      if (turn !== this.#turn) return
      const draft: Draft = { parent, after, bytes, known: this.#known }
      const here = await this.#putHere({ ...draft, sent: false, stamp: freshStamp() })
      if (turn !== this.#turn) return
      if (here) {
        this.#noted = null
        this.#sayUnlessAsking('here')
      }
      await this.#send(draft, turn)
    })
  }

  async #putHere(draft: KeptDraft): Promise<boolean> {
    const here = await this.#shelves.keepLocally(this.#place, draft, this.#stamp)
    if (here) this.#stamp = draft.stamp
    return here
  }

  async #send(draft: Draft, turn: number): Promise<void> {
    const answer = await this.#put({ ...draft, known: this.#known })
    if (typeof answer === 'object') {
      this.#known = answer.tag
      this.#over = 'known'
    }
    this.#unanswered = answer === 'silent' ? draft : null
    if (turn !== this.#turn) return
    this.#unsent = typeof answer === 'object' ? null : draft
    if (answer === 'elsewhere') this.#say('elsewhere')
    if (typeof answer !== 'object') return
    this.#noted = null
    this.#say('server')
    await this.#putHere({ ...draft, known: answer.tag, sent: true, stamp: freshStamp() })
  }

  /** What the server has may be our own, if its answer was lost. */
  async #put(draft: Draft): Promise<Answer> {
    const answer = await this.#shelves.keepRemotely(this.#place, draft, this.#over)
    if (answer !== 'elsewhere' || this.#unanswered === null) return answer
    if (!(await this.#hearBack(this.#unanswered))) return 'silent'
    return this.#shelves.keepRemotely(this.#place, { ...draft, known: this.#known }, this.#over)
  }

  /** Finds out whether the server has a draft that it did not answer to; false where it is silent again. */
  async #hearBack(unanswered: Draft): Promise<boolean> {
    const there = await this.#shelves.remote(this.#place)
    if (there === 'silent') return false
    if (there && (await this.#shelves.alike(there, unanswered))) this.#known = there.known
    this.#unanswered = null
    return true
  }

  async #dropRemotely(turn: number): Promise<void> {
    const heard = this.#unanswered === null || (await this.#hearBack(this.#unanswered))
    const known = this.#known
    const dropped = heard && (known === null || (await this.#shelves.dropRemotely(this.#place, known)))
    if (dropped && this.#known === known) this.#known = null
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

  /** While the reader has a choice to make, more strokes do not take the question away. */
  #sayUnlessAsking(kept: Kept): void {
    if (this.#kept !== 'elsewhere') this.#say(kept)
  }
}

/** Not `crypto.randomUUID`, which pages without TLS lack; two tabs must differ, nobody must guess it. */
const freshStamp = () => String(Math.random())
