import type { Entries } from './entry'

export const accounts = {} as const satisfies Entries
