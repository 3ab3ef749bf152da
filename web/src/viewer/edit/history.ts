/** Strokes that can be taken back and made again. */

/** What one step changed. */
export interface Change {
  readonly at: Uint32Array<ArrayBuffer>
  readonly before: Uint8Array<ArrayBuffer>
  readonly after: Uint8Array<ArrayBuffer>
}

/** Collects the changes of one stroke while it is being drawn, each voxel once. */
export class Stroke {
  readonly #labels: Uint8Array
  readonly #before = new Map<number, number>()

  constructor(labels: Uint8Array) {
    this.#labels = labels
  }

  /** Sets a voxel and remembers what was there. */
  set(at: number, code: number): void {
    const old = this.#labels[at]
    if (old === undefined || old === code) return
    if (!this.#before.has(at)) this.#before.set(at, old)
    this.#labels[at] = code
  }

  get size(): number {
    return this.#before.size
  }

  /** The step that this stroke was; null where nothing is different after it. */
  finish(): Change | null {
    const changed = [...this.#before].filter(([at, old]) => this.#labels[at] !== old)
    if (changed.length === 0) return null
    const at = Uint32Array.from(changed, ([offset]) => offset)
    return {
      at,
      before: Uint8Array.from(changed, ([, old]) => old),
      after: Uint8Array.from(at, (offset) => this.#labels[offset] ?? 0),
    }
  }
}

export interface History {
  readonly done: readonly Change[]
  readonly undone: readonly Change[]
}

export const EMPTY: History = { done: [], undone: [] }
const LONGEST = 200

/** A new step; what had been taken back is gone. */
export function pushed(history: History, change: Change): History {
  return { done: [...history.done.slice(-(LONGEST - 1)), change], undone: [] }
}

/** Takes the last step back, in the labels and in the history. */
export function undo(history: History, labels: Uint8Array): History {
  const last = history.done.at(-1)
  if (!last) return history
  put(labels, last.at, last.before)
  return { done: history.done.slice(0, -1), undone: [...history.undone, last] }
}

/** Makes the step again that was taken back last. */
export function redo(history: History, labels: Uint8Array): History {
  const last = history.undone.at(-1)
  if (!last) return history
  put(labels, last.at, last.after)
  return { done: [...history.done, last], undone: history.undone.slice(0, -1) }
}

function put(labels: Uint8Array, at: Uint32Array, codes: Uint8Array): void {
  for (let i = 0; i < at.length; i++) labels[at[i] ?? 0] = codes[i] ?? 0
}
