/** Where the pointer is, outside of React's state: it moves too often to draw the page for it. */

import { useSyncExternalStore } from 'react'
import { sameVec } from '../viewer/space'
import type { Cursor } from '../viewer/Viewer'

export class Hover {
  readonly #listeners = new Set<() => void>()
  #at: Cursor = null

  get at(): Cursor {
    return this.#at
  }

  move(at: Cursor): void {
    if (at === this.#at || (at && this.#at && sameVec(at, this.#at))) return
    this.#at = at
    for (const listener of this.#listeners) listener()
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }
}

export function useHover(hover: Hover): Cursor {
  return useSyncExternalStore(
    (listener) => hover.subscribe(listener),
    () => hover.at,
  )
}
