import type { Query } from '../api/client'

export const sorts = ['newest', 'date', 'wt', 'tc', 'et', 'state', 'model', 'pseudonym'] as const
export type Sort = (typeof sorts)[number]
export const states = [
  'draft',
  'edited',
  'accepted',
  'rejected',
  'unsegmented',
  'incomplete',
  'queued',
  'running',
  'failed',
] as const
export type StateFilter = (typeof states)[number]

/** What of the worklist is shown, as it stands in the address. */
export interface Filter {
  search?: string | undefined
  state?: StateFilter | undefined
  model?: string | undefined
  date_from?: string | undefined
  date_to?: string | undefined
  wt_min?: string | undefined
  wt_max?: string | undefined
  tc_min?: string | undefined
  tc_max?: string | undefined
  et_min?: string | undefined
  et_max?: string | undefined
  sort?: Sort | undefined
  bin?: 'true' | undefined
}

const text = (value: unknown) => (typeof value === 'string' && value.trim() !== '' ? value.slice(0, 200) : undefined)
const day = (value: unknown) => (typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value) ? value : undefined)
const amount = (value: unknown) =>
  typeof value === 'string' && /^\d{1,5}(\.\d{1,3})?$/.test(value) ? value : undefined

/** Reads the address; what makes no sense is left out. */
export function parseFilter(search: Record<string, unknown>): Filter {
  const filter: Filter = {
    search: text(search.search),
    state: states.find((state) => state === search.state),
    model: text(search.model),
    date_from: day(search.date_from),
    date_to: day(search.date_to),
    wt_min: amount(search.wt_min),
    wt_max: amount(search.wt_max),
    tc_min: amount(search.tc_min),
    tc_max: amount(search.tc_max),
    et_min: amount(search.et_min),
    et_max: amount(search.et_max),
    sort: sorts.find((sort) => sort === search.sort),
    bin: search.bin === 'true' ? 'true' : undefined,
  }
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined))
}

/** The order as the server calls it: volumes from the largest, dates from the latest. */
const serverSorts: Record<Sort, string> = {
  newest: '-created_at',
  date: '-date',
  wt: '-wt',
  tc: '-tc',
  et: '-et',
  state: 'state',
  model: 'model',
  pseudonym: 'pseudonym',
}

export function queryOf({ sort, ...filter }: Filter): Query {
  return { ...filter, sort: serverSorts[sort ?? 'newest'] }
}

/** Whether anything but the order narrows the list. */
export function isNarrowed({ sort: _sort, bin: _bin, ...rest }: Filter): boolean {
  return Object.values(rest).some((value) => value !== undefined)
}
