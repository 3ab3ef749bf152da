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
  /** The mask on screen is the one that is being edited. */
  readonly edited: boolean
}

/**
 * The versions on screen: the one asked for or else the newest, and the one beside it. Unsaved edits stay on screen, whatever version
 * arrives meanwhile, until another one is asked for.
 */
export function versionsOf(scene: Scene, all: readonly SegmentationRow[], edit: EditState): Versions {
  const newest = [...all].sort((a, b) => b.number - a.number)
  const asked = newest.find((row) => row.id === scene.version) ?? null
  const parent = newest.find((row) => row.id === edit.parent) ?? null
  const shown = asked ?? (edit.changed ? parent : (newest[0] ?? null))
  const other =
    newest.find((row) => row.id === scene.against && row !== shown) ?? newest.find((row) => row !== shown) ?? null
  return { shown, against: scene.layout === 'compare' ? other : null, edited: edit.open && shown === parent }
}

/** Loads the masks of the versions on screen and makes their difference; gives their keys in the library. */
export function useMasks(library: Library, versions: Versions, steps: number, revision: number): Look['masks'] {
  const { shown, against, edited } = versions
  useEffect(() => {
    if (shown) void library.loadLabels(shown.labels_url)
    if (against) void library.loadLabels(against.labels_url)
  }, [library, shown, against])

  // Another version can be looked at while edits wait.
  const shownKey = edited ? EDIT_KEY : (shown?.labels_url ?? null)
  const againstKey = against?.labels_url ?? null
  // The difference of millions of voxels is made anew when a stroke has ended, not while the hand draws.
  const difference = againstKey && shownKey ? `difference ${shownKey} ${edited ? steps : ''} ${againstKey}` : null
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
