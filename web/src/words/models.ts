import type { Entries } from './entry'

export const models = {} as const satisfies Entries
