/** The reader's unsaved edits of one study: a mask in the library that strokes change, with the way back. */

import { copyOf } from '../viewer/difference'
import { type Change, EMPTY, type History, pushed, redo, Stroke, undo } from '../viewer/edit/history'
import type { Library } from '../viewer/library'
import type { Labels } from '../viewer/volume'

export const EDIT_KEY = 'edit'

export interface EditState {
  /** Whether there is a mask that strokes change. */
  readonly open: boolean
  /** The version that the edits began from; null where they began with nothing. */
  readonly parent: string | null
  readonly canUndo: boolean
  readonly canRedo: boolean
  /** Something is different from the parent, or was brought back from a draft. */
  readonly changed: boolean
  /** Counts steps: a draft is stored when it moves. */
  readonly steps: number
}

const IDLE: EditState = { open: false, parent: null, canUndo: false, canRedo: false, changed: false, steps: 0 }

/** The last step that a saved version holds: null is the beginning, `unknown` lies before what the history remembers. */
export type Mark = Change | null | 'unknown'

/** A draft that was brought back is stored already; edits that a discard let go of are not. */
export type Restored = 'stored' | 'not stored'

export class Editing {
  readonly #library: Library
  readonly #listeners = new Set<() => void>()
  #history: History = EMPTY
  #labels: Labels | null = null
  #stroke: Stroke | null = null
  #saved: Mark = null
  #state: EditState = IDLE

  constructor(library: Library) {
    this.#library = library
  }

  get state(): EditState {
    return this.#state
  }

  /** The mask being edited. */
  get labels(): Labels | null {
    return this.#labels
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** Whether the hand is in the middle of a stroke. */
  get drawing(): boolean {
    return this.#stroke !== null
  }

  /** Where in the history the labels are now; given to `saved` when they have become a version. */
  get mark(): Mark {
    return this.#history.done.at(-1) ?? null
  }

  /** Begins from a version, or from an empty mask; the given voxels stay as they are. */
  begin(parent: string | null, from: Labels): void {
    this.#open(parent, copyOf(from), null)
    this.#publish({ steps: this.#state.steps })
  }

  /** Goes on with edits from before. */
  restore(parent: string | null, draft: Labels, how: Restored): void {
    this.#open(parent, draft, 'unknown')
    this.#publish({ steps: this.#state.steps + (how === 'stored' ? 0 : 1) })
  }

  /** One step: everything that `work` sets. */
  step(work: (stroke: Stroke, labels: Labels) => void): void {
    if (!this.#labels || this.#stroke) return
    const stroke = new Stroke(this.#labels.values)
    work(stroke, this.#labels)
    this.#push(stroke.finish())
  }

  /** The stroke that the hand is drawing; it becomes a step with `lift`. */
  draw(work: (stroke: Stroke, labels: Labels) => void): void {
    if (!this.#labels) return
    this.#stroke ??= new Stroke(this.#labels.values)
    const before = this.#stroke.size
    work(this.#stroke, this.#labels)
    if (this.#stroke.size === before) return
    this.#library.touch(EDIT_KEY)
    // From the first voxel on, nothing else may take the mask's place on screen.
    if (!this.#state.changed) this.#publish({ steps: this.#state.steps })
  }

  lift(): void {
    const change = this.#stroke?.finish() ?? null
    this.#stroke = null
    if (change) this.#push(change)
    else this.#publish({ steps: this.#state.steps })
  }

  /** Takes back the stroke that the hand is drawing. */
  abandon(): void {
    const change = this.#stroke?.finish() ?? null
    this.#stroke = null
    if (change && this.#labels) undo(pushed(EMPTY, change), this.#labels.values)
    this.#library.touch(EDIT_KEY)
    this.#publish({ steps: this.#state.steps })
  }

  undo(): void {
    this.#travel(undo)
  }

  redo(): void {
    this.#travel(redo)
  }

  /** The labels at `mark` are a version now. Its steps can still be taken back, and what came after it is unsaved. */
  saved(version: string, mark: Mark): void {
    if (!this.#labels) return
    this.#saved = mark
    this.#publish({ parent: version, steps: this.#state.steps + 1 })
  }

  /** Lets go of the edits. */
  close(): void {
    this.#history = EMPTY
    this.#labels = null
    this.#stroke = null
    this.#saved = null
    this.#library.dropLabels(EDIT_KEY)
    this.#publish({ parent: null, steps: this.#state.steps + 1 })
  }

  #open(parent: string | null, labels: Labels, saved: Mark): void {
    this.#history = EMPTY
    this.#labels = labels
    this.#stroke = null
    this.#saved = saved
    this.#state = { ...this.#state, parent }
    this.#library.setLabels(EDIT_KEY, labels)
  }

  #push(change: Change | null): void {
    if (!change) return
    const first = this.#history.done[0]
    this.#history = pushed(this.#history, change)
    // The history forgets its oldest steps: what was saved before them cannot be gone back to any more.
    if (this.#history.done[0] !== first && first !== undefined && this.#saved === null) this.#saved = 'unknown'
    this.#moved()
  }

  #travel(way: (history: History, labels: Uint8Array) => History): void {
    if (!this.#labels || this.#stroke) return
    const next = way(this.#history, this.#labels.values)
    if (next === this.#history) return
    this.#history = next
    this.#moved()
  }

  #moved(): void {
    this.#library.touch(EDIT_KEY)
    this.#publish({ steps: this.#state.steps + 1 })
  }

  #publish(change: { parent?: string | null; steps: number }): void {
    const { done, undone } = this.#history
    this.#state = {
      open: this.#labels !== null,
      parent: change.parent === undefined ? this.#state.parent : change.parent,
      canUndo: done.length > 0,
      canRedo: undone.length > 0,
      changed: this.#labels !== null && (this.mark !== this.#saved || (this.#stroke?.size ?? 0) > 0),
      steps: change.steps,
    }
    for (const listener of this.#listeners) listener()
  }
}
