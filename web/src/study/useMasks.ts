import { useEffect, useMemo } from 'react'
import type { SegmentationRow } from '../api/types'
import { differenceOf } from '../viewer/difference'
import type { Library } from '../viewer/library'
import { EDIT_KEY, type EditState } from './Editing'
import type { Look } from './paneScene'
import type { Scene } from './scene'

export interface Versions {
  readonly shown: SegmentationRow | null
  readonly against: SegmentationRow | null
}

/** The versions on screen: the one asked for or else the newest, and the one beside it. */
export function versionsOf(scene: Scene, all: readonly SegmentationRow[]): Versions {
  const newest = [...all].sort((a, b) => b.number - a.number)
  const shown = newest.find((row) => row.id === scene.version) ?? newest[0] ?? null
  const other =
    newest.find((row) => row.id === scene.against && row !== shown) ?? newest.find((row) => row !== shown) ?? null
  return { shown, against: scene.layout === 'compare' ? other : null }
}

/** Loads the masks of the versions on screen and makes their difference; gives their keys in the library. */
export function useMasks(library: Library, versions: Versions, edit: EditState, revision: number): Look['masks'] {
  const { shown, against } = versions
  useEffect(() => {
    if (shown) void library.loadLabels(shown.labels_url)
    if (against) void library.loadLabels(against.labels_url)
  }, [library, shown, against])

  // Another version can be looked at while edits wait.
  const shownKey = edit.parent !== null && edit.parent === shown?.id ? EDIT_KEY : (shown?.labels_url ?? null)
  const againstKey = against?.labels_url ?? null
  const difference =
    againstKey && shownKey ? `difference ${shownKey} ${library.revisionOf(shownKey)} ${againstKey}` : null
  useEffect(() => {
    const first = shownKey ? library.labels(shownKey) : null
    const second = againstKey ? library.labels(againstKey) : null
    // The revision tells that one of the masks has arrived.
    if (revision >= 0 && first && second && difference && !library.labels(difference)) {
      library.setLabels(difference, differenceOf(first, second))
    }
  }, [library, difference, shownKey, againstKey, revision])
  useEffect(() => {
    if (difference) return () => library.dropLabels(difference)
    return undefined
  }, [library, difference])
  return useMemo(() => ({ shown: shownKey, against: againstKey, difference }), [shownKey, againstKey, difference])
}
