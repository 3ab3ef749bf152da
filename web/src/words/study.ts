import type { Entries } from './entry'

/** Words of the study page and its viewer. */
export const study = {} as const satisfies Entries
