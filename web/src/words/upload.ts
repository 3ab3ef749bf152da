import type { Entries } from './entry'

export const upload = {} as const satisfies Entries
