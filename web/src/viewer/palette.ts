/** Colours of tissues and regions, and how their outlines are dashed. */

export type Rgb = readonly [number, number, number]

/** One thing that is outlined: the codes that belong to it, its colour, its dash. */
export interface Ink {
  readonly key: string
  readonly codes: readonly number[]
  readonly colour: Rgb
  readonly dash: readonly number[]
}

export type ColourSet = 'report' | 'safe'
export const TISSUE_CODES = { ncr: 1, ed: 2, et: 3 } as const
export type Tissue = keyof typeof TISSUE_CODES
export type Region = 'wt' | 'tc' | 'et'

/** The report's colours, and three of Okabe and Ito's that differ for every kind of colour sight and from grey. */
const SETS: Record<ColourSet, Record<Tissue, Rgb>> = {
  report: { ncr: [0x3b, 0x6c, 0xff], ed: [0x2f, 0xbf, 0x4a], et: [0xff, 0x3b, 0x3b] },
  safe: { ncr: [0x56, 0xb4, 0xe9], ed: [0xf0, 0xe4, 0x42], et: [0xd5, 0x5e, 0x00] },
}
const DASHES: Record<Tissue, readonly number[]> = { et: [], ncr: [2, 3], ed: [7, 4] }

export function tissueColour(set: ColourSet, tissue: Tissue): Rgb {
  return SETS[set][tissue]
}

export function cssColour([r, g, b]: Rgb): string {
  return `rgb(${r} ${g} ${b})`
}

/** Inks of the three tissues. */
export function tissueInks(set: ColourSet): readonly Ink[] {
  const ink = (key: Tissue): Ink => ({ key, codes: [TISSUE_CODES[key]], colour: SETS[set][key], dash: DASHES[key] })
  return [ink('ed'), ink('ncr'), ink('et')]
}

/** Inks of the three nested regions, largest first. */
export function regionInks(set: ColourSet): readonly Ink[] {
  return [
    { key: 'wt', codes: [1, 2, 3], colour: SETS[set].ed, dash: DASHES.ed },
    { key: 'tc', codes: [1, 3], colour: SETS[set].ncr, dash: DASHES.ncr },
    { key: 'et', codes: [3], colour: SETS[set].et, dash: DASHES.et },
  ]
}

/** Inks of a difference map: only in the first, only in the second, another tissue. */
export const DIFFERENCE_INKS: readonly Ink[] = [
  { key: 'only_first', codes: [1], colour: [0x56, 0xb4, 0xe9], dash: [] },
  { key: 'only_second', codes: [2], colour: [0xe6, 0x9f, 0x00], dash: [7, 4] },
  { key: 'other_tissue', codes: [3], colour: [0xcc, 0x79, 0xa7], dash: [2, 3] },
]

/** One colour a code; the last ink that holds a code wins, so that nested regions are painted inwards. */
export function fillTable(inks: readonly Ink[]): readonly (Rgb | null)[] {
  const table: (Rgb | null)[] = [null, null, null, null]
  for (const ink of inks) for (const code of ink.codes) table[code] = ink.colour
  return table
}
