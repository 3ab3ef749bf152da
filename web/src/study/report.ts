/** What a segmentation's JSON says beyond volumes, read with care: older versions of the program wrote less. */

export interface Diameter {
  readonly key: string
  readonly mm: number
}

/** Longest diameters as the server gives them: a number each, or an object of numbers. */
export function diametersOf(value: unknown): readonly Diameter[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, mm]) => {
    if (typeof mm === 'number' && mm > 0) return [{ key, mm }]
    const longest = typeof mm === 'object' && mm !== null && 'longest' in mm ? mm.longest : null
    return typeof longest === 'number' && longest > 0 ? [{ key, mm: longest }] : []
  })
}

export type Confidence = 'not_assessed' | 'no_warning' | 'check' | 'unreliable'

/** Three words and never a percentage; "not assessed" unless a calibrated model says otherwise. */
export function confidenceOf(value: unknown): { readonly level: Confidence; readonly reason: string | null } {
  if (typeof value !== 'object' || value === null || !('level' in value)) return { level: 'not_assessed', reason: null }
  const level = (['no_warning', 'check', 'unreliable'] as const).find((one) => one === value.level)
  const reason = 'reason' in value && typeof value.reason === 'string' ? value.reason : null
  return { level: level ?? 'not_assessed', reason }
}
