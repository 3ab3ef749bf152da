/** Two masks of one grid against each other. */

import type { Labels } from './volume'

/** 1 where only the first has tumour, 2 where only the second, 3 where both have it but not the same tissue. */
export function differenceOf(first: Labels, second: Labels): Labels {
  const values = new Uint8Array(first.values.length)
  for (let i = 0; i < values.length; i++) {
    const a = first.values[i] ?? 0
    const b = second.values[i] ?? 0
    if (a === b) continue
    values[i] = b === 0 ? 1 : a === 0 ? 2 : 3
  }
  return { grid: first.grid, values, source: first.source }
}

/** A mask that can be changed without changing the one that it came from. */
export function copyOf(labels: Labels): Labels {
  return { grid: labels.grid, values: labels.values.slice(), source: labels.source }
}
