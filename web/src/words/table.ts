import { accounts } from './accounts'
import type { Names } from './entry'
import { errors } from './errors'
import { field } from './field'
import { frame } from './frame'
import { models } from './models'
import { study } from './study'
import { upload } from './upload'
import { worklist } from './worklist'

/** Every sentence of the page, in English and Korean. */
export const table = { ...field, ...frame, ...errors, ...worklist, ...upload, ...accounts, ...models, ...study }

export type Key = keyof typeof table
type NamesOf<K extends Key> = Names<(typeof table)[K][0]>
/** The values that the sentence of `K` needs: none, or one object. */
export type Values<K extends Key> = [NamesOf<K>] extends [never] ? [] : [Readonly<Record<NamesOf<K>, string | number>>]
