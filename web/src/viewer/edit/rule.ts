/** Where a tool may paint: which codes it may replace, and between which intensities. */

import type { Values } from '../volume'

/** Over everything, only the background, or only one tissue. */
export type Over = 'everything' | 'background' | 1 | 2 | 3

export interface PaintRule {
  readonly over: Over
  /** Intensities of the sequence on screen; null is without limit. */
  readonly above: number | null
  readonly below: number | null
}

export const ANYWHERE: PaintRule = { over: 'everything', above: null, below: null }

/** Says for each voxel whether the rule lets a tool change it. */
export function allows(rule: PaintRule, labels: Uint8Array, image: Values | null): (at: number) => boolean {
  const { over, above, below } = rule
  const code = over === 'everything' ? -1 : over === 'background' ? 0 : over
  const bounded = image !== null && (above !== null || below !== null)
  const low = above ?? Number.NEGATIVE_INFINITY
  const high = below ?? Number.POSITIVE_INFINITY
  return (at) => {
    if (code >= 0 && labels[at] !== code) return false
    if (!bounded) return true
    const value = image[at] ?? 0
    return value >= low && value <= high
  }
}
