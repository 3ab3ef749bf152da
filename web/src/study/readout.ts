/** What lies at a voxel: the number of the image and the tissue of the mask. */

import type { SequenceKey } from '../api/types'
import type { Library } from '../viewer/library'
import { offsetOf, type Vec3 } from '../viewer/space'
import { type Look, seriesOf } from './paneScene'

const CODES = ['background', 'ncr', 'ed', 'et'] as const
export type Code = (typeof CODES)[number]

export interface Readout {
  /** null while the volume is not there. */
  readonly value: number | null
  /** null where no mask is there. */
  readonly code: Code | null
}

/** `mask`: its key in the library. */
export function readoutAt(look: Look, library: Library, sequence: SequenceKey, mask: string | null, at: Vec3): Readout {
  const offset = offsetOf(at, look.grid.shape)
  const labels = mask === null ? null : library.labels(mask)
  return {
    value: library.volume(seriesOf(look.series, sequence)?.url ?? '')?.values[offset] ?? null,
    code: labels ? (CODES[labels.values[offset] ?? 0] ?? 'background') : null,
  }
}

/** "312", "0.4", or a dash. */
export function valueText({ words }: Look, { value }: Readout): string {
  return value === null ? '–' : words.number(value, Number.isInteger(value) ? 0 : 1)
}

/** "312 · enhancing": as short as it must be beside a finger. */
export function shortText(look: Look, readout: Readout): string {
  const { code } = readout
  const tissue = code === null || code === 'background' ? [] : [look.words.named(`study.tissue.${code}`)]
  return [valueText(look, readout), ...tissue].join(' · ')
}
