/** Where the pointer is, outside of React's state: it moves too often to draw the page for it. */

import { useSyncExternalStore } from 'react'
import type { SequenceKey } from '../api/types'
import { sameVec, type Vec3 } from '../viewer/space'
import type { PaneSpec } from './arrangement'

/** A voxel, and what the pane shows in which the pointer is. */
export interface Pointed {
  readonly at: Vec3
  readonly sequence: SequenceKey
  readonly mask: PaneSpec['mask']
}

export class Hover {
  readonly #listeners = new Set<() => void>()
  #pointed: Pointed | null = null

  get pointed(): Pointed | null {
    return this.#pointed
  }

  move(to: Pointed | null): void {
    const old = this.#pointed
    if (to === old || (to && old && sameVec(to.at, old.at) && to.sequence === old.sequence && to.mask === old.mask))
      return
    this.#pointed = to
    for (const listener of this.#listeners) listener()
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }
}

export function useHover(hover: Hover): Pointed | null {
  return useSyncExternalStore(
    (listener) => hover.subscribe(listener),
    () => hover.pointed,
  )
}
