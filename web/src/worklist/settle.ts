import type { StudyRow } from '../api/types'

export interface Settled {
  rows: StudyRow[]
  /** Rows that are there but wait until the reader's pointer has left. */
  waiting: number
  /** Rows that somebody took away, still drawn so that nothing moves. */
  gone: ReadonlySet<string>
}

/**
 * The rows to draw. While a pointer rests over the list (`held`: the rows as they were when it came), news fills the rows where they
 * stand, and what would move them waits.
 */
export function settle(held: readonly StudyRow[] | null, now: readonly StudyRow[]): Settled {
  if (held === null) return { rows: [...now], waiting: 0, gone: new Set() }
  const fresh = new Map(now.map((row) => [row.id, row]))
  const known = new Set(held.map((row) => row.id))
  const gone = new Set(held.filter((row) => !fresh.has(row.id)).map((row) => row.id))
  const rows = held.map((row) => fresh.get(row.id) ?? row)
  // Rows after the last known one lengthen the list at its foot and move nothing.
  const lastKnown = now.findLastIndex((row) => known.has(row.id))
  const after = now.slice(lastKnown + 1)
  const waiting = now.slice(0, lastKnown + 1).filter((row) => !known.has(row.id)).length
  return { rows: [...rows, ...after], waiting, gone }
}
