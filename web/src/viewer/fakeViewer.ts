/** A viewer that draws nothing and remembers everything: for tests of pages. */

import type { Cursor, Viewer } from './Viewer'

export interface FakeViewer<S> extends Viewer<S> {
  readonly shown: readonly S[]
  readonly disposed: boolean
  /** Pretends that the pointer moved. */
  point(at: Cursor): void
  /** Makes the next `show` wait; gives the function that lets it finish. */
  hold(): () => void
}

export function createFakeViewer<S>(): FakeViewer<S> {
  const listeners = new Set<(at: Cursor) => void>()
  const shown: S[] = []
  let generation = 0
  let disposed = false
  let wait: Promise<void> = Promise.resolve()
  return {
    get shown() {
      return shown
    },
    get disposed() {
      return disposed
    },
    async show(scene) {
      const mine = ++generation
      await wait
      if (mine === generation && !disposed) shown.push(scene)
    },
    onCursor(listener) {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
    snapshot: () => Promise.resolve(new Blob([], { type: 'image/png' })),
    dispose() {
      disposed = true
      generation++
      listeners.clear()
    },
    point(at) {
      for (const listener of listeners) listener(at)
    },
    hold() {
      let release: () => void = () => undefined
      wait = new Promise((resolve) => {
        release = resolve
      })
      return release
    },
  }
}
