/** The reader's unsaved edits of one study: a mask in the library that strokes change, with the way back. */

import { copyOf } from '../viewer/difference'
import { type Change, EMPTY, type History, pushed, redo, Stroke, undo } from '../viewer/edit/history'
import type { Library } from '../viewer/library'
import type { Labels } from '../viewer/volume'

export const EDIT_KEY = 'edit'

export interface EditState {
  /** The version that the edits began from; null while nothing is edited. */
  readonly parent: string | null
  readonly canUndo: boolean
  readonly canRedo: boolean
  /** Something is different from the parent, or was brought back from a draft. */
  readonly changed: boolean
  /** Counts steps: a draft is stored when it moves. */
  readonly steps: number
}

const IDLE: EditState = { parent: null, canUndo: false, canRedo: false, changed: false, steps: 0 }

export class Editing {
  readonly #library: Library
  readonly #listeners = new Set<() => void>()
  #history: History = EMPTY
  #labels: Labels | null = null
  #stroke: Stroke | null = null
  #restored = false
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

  /** Begins from a version; its own voxels stay as they are. */
  begin(parent: string, from: Labels): void {
    this.#open(parent, copyOf(from), false)
  }

  /** Goes on with a draft. */
  restore(parent: string, draft: Labels): void {
    this.#open(parent, draft, true)
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
    if (this.#stroke.size !== before) this.#library.touch(EDIT_KEY)
  }

  lift(): void {
    const change = this.#stroke?.finish() ?? null
    this.#stroke = null
    this.#push(change)
  }

  undo(): void {
    this.#travel(undo)
  }

  redo(): void {
    this.#travel(redo)
  }

  /** Lets go of the edits. */
  close(): void {
    this.#history = EMPTY
    this.#labels = null
    this.#stroke = null
    this.#restored = false
    this.#library.dropLabels(EDIT_KEY)
    this.#publish({ ...IDLE, steps: this.#state.steps + 1 })
  }

  #open(parent: string, labels: Labels, restored: boolean): void {
    this.#history = EMPTY
    this.#labels = labels
    this.#stroke = null
    this.#restored = restored
    this.#library.setLabels(EDIT_KEY, labels)
    this.#publish({ parent, canUndo: false, canRedo: false, changed: restored, steps: this.#state.steps })
  }

  #push(change: Change | null): void {
    if (!change) return
    this.#history = pushed(this.#history, change)
    this.#changed()
  }

  #travel(way: (history: History, labels: Uint8Array) => History): void {
    if (!this.#labels || this.#stroke) return
    const next = way(this.#history, this.#labels.values)
    if (next === this.#history) return
    this.#history = next
    this.#changed()
  }

  #changed(): void {
    this.#library.touch(EDIT_KEY)
    const { done, undone } = this.#history
    this.#publish({
      parent: this.#state.parent,
      canUndo: done.length > 0,
      canRedo: undone.length > 0,
      changed: this.#restored || done.length > 0,
      steps: this.#state.steps + 1,
    })
  }

  #publish(state: EditState): void {
    this.#state = state
    for (const listener of this.#listeners) listener()
  }
}
