/** What a series of volumes did: its smallest value, and the change from there to the last. */
export interface Course {
  readonly nadir: number
  /** Which measurement was the smallest. */
  readonly at: number
  readonly change: number
  /** The change as a share of the smallest; 0 where that is nothing. */
  readonly share: number
}

export function courseOf(volumes: readonly number[]): Course | null {
  const last = volumes.at(-1)
  if (last === undefined) return null
  let at = 0
  for (const [i, volume] of volumes.entries()) if (volume < (volumes[at] ?? 0)) at = i
  const nadir = volumes[at] ?? 0
  return { nadir, at, change: last - nadir, share: nadir === 0 ? 0 : (last - nadir) / nadir }
}
