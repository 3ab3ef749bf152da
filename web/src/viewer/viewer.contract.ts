/** What every viewer keeps, tried against the one that `make` gives. */

import { expect, it } from 'vitest'
import type { Cursor, Viewer } from './Viewer'

export interface Tried<S> {
  readonly viewer: Viewer<S>
  readonly scenes: readonly [S, S]
  /** What is on screen now. */
  drawn(): S | undefined
  /** How often something was drawn. */
  drawings(): number
  /** Holds back what `show` waits for; gives the function that lets it come. */
  hold(): () => void
  /** Moves the pointer over the image. */
  point(at: Cursor): void
}

export function viewerContract<S>(make: () => Tried<S>): void {
  it('draws the scene that it was told last, even when an earlier one comes later', async () => {
    const { viewer, scenes, drawn, hold } = make()
    const release = hold()
    const first = viewer.show(scenes[0])
    const second = viewer.show(scenes[1])
    release()
    await Promise.all([first, second])
    expect(drawn()).toBe(scenes[1])
  })

  it('may be told the same twice', async () => {
    const { viewer, scenes, drawn } = make()
    await viewer.show(scenes[0])
    await viewer.show(scenes[0])
    expect(drawn()).toBe(scenes[0])
  })

  it('tells where the pointer is until nobody asks any more', async () => {
    const { viewer, scenes, point } = make()
    await viewer.show(scenes[0])
    const heard: Cursor[] = []
    const stop = viewer.onCursor((at) => heard.push(at))
    point([1, 2, 3])
    point(null)
    stop()
    point([2, 2, 2])
    expect(heard).toEqual([[1, 2, 3], null])
  })

  it('draws nothing after it was disposed of', async () => {
    const { viewer, scenes, drawings, hold } = make()
    const release = hold()
    const late = viewer.show(scenes[0])
    const before = drawings()
    viewer.dispose()
    release()
    await late
    expect(drawings()).toBe(before)
  })

  it('gives a picture', async () => {
    const { viewer, scenes } = make()
    await viewer.show(scenes[0])
    expect((await viewer.snapshot()).type).toBe('image/png')
  })
}
