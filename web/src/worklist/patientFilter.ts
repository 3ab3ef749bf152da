const columns = ['pseudonym', 'studies', 'created_at'] as const
type Column = (typeof columns)[number]
/** As the server calls it; `-` before it: the largest first. */
export type PatientSort = Column | `-${Column}`

/** Which patients are shown, as it stands in the address. */
export interface PatientFilter {
  search?: string
  sort?: PatientSort
}

export function parsePatientFilter({ search, sort }: Record<string, unknown>): PatientFilter {
  const known = columns.flatMap((column): PatientSort[] => [column, `-${column}`]).find((one) => one === sort)
  const words = typeof search === 'string' ? search.trim().slice(0, 200) : ''
  return { ...(words === '' ? {} : { search: words }), ...(known === undefined ? {} : { sort: known }) }
}

/** The order after a press on the head of a column: names from A, numbers and days from the largest; pressed again, the other way. */
export function turned(sort: PatientSort, by: Column): PatientSort {
  const first: PatientSort = by === 'pseudonym' ? by : `-${by}`
  const second: PatientSort = by === 'pseudonym' ? `-${by}` : by
  return sort === first ? second : first
}
