/** Black and white points: percentiles inside the brain, presets, and dragging. */

import type { Window } from './slice'
import type { Values } from './volume'

export interface Spread {
  /** Sorted sample of the values that are not background. */
  readonly sample: Float64Array
}

const SAMPLE = 60_000

/** A sorted sample of the values inside the brain: all that percentiles need. Background is exactly 0. */
export function spreadOf(values: Values): Spread {
  const step = Math.max(1, Math.floor(values.length / (4 * SAMPLE)))
  const inside: number[] = []
  for (let i = 0; i < values.length; i += step) {
    const value = values[i] ?? 0
    if (value !== 0 && Number.isFinite(value)) inside.push(value)
  }
  return { sample: Float64Array.from(inside).sort() }
}

/** The value below which a share (0 to 1) of the brain lies. */
export function percentile({ sample }: Spread, share: number): number {
  return sample[Math.min(sample.length - 1, Math.max(0, Math.round(share * (sample.length - 1))))] ?? 0
}

/** Shares of black and white. 1: as opened; 2: more contrast; 3: everything; 4: the bright end. */
const PRESETS: readonly (readonly [number, number])[] = [
  [0.005, 0.995],
  [0.05, 0.95],
  [0, 1],
  [0.5, 0.999],
]

export function presetWindow(spread: Spread, preset: number): Window {
  const [lo, hi] = PRESETS[preset - 1] ?? [0.005, 0.995]
  const window = { lo: percentile(spread, lo), hi: percentile(spread, hi) }
  return window.hi > window.lo ? window : { lo: window.lo, hi: window.lo + 1 }
}

/** A drag to the right widens, a drag downwards raises the level (darker), 300 pixels for the whole of the starting width. */
export function draggedWindow(start: Window, dx: number, dy: number): Window {
  const width = Math.max(1e-3, start.hi - start.lo)
  const wider = Math.max(width * 0.02, width * (1 + dx / 300))
  const level = (start.lo + start.hi) / 2 + (dy / 300) * width
  return { lo: level - wider / 2, hi: level + wider / 2 }
}
