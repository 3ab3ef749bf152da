import { useMemo } from 'react'
import { useSettings } from '../app/settings'
import type { Language } from './entry'
import { fill } from './entry'
import {
  formatBytes,
  formatDay,
  formatMl,
  formatMlChange,
  formatMm,
  formatMoment,
  formatPercent,
  ml,
  mm,
  number,
} from './numbers'
import { type Key, table, type Values } from './table'

/** The sentence of `key` in `language`. */
export function say<K extends Key>(language: Language, key: K, ...values: Values<K>): string {
  const [en, ko] = table[key]
  return fill(language === 'ko' ? ko : en, values[0] ?? {})
}

/** Whether a name that came from the server has a sentence. */
export function isKey(name: string): name is Key {
  return Object.hasOwn(table, name)
}

export function wordsOf(language: Language) {
  return {
    language,
    t: <K extends Key>(key: K, ...values: Values<K>) => say(language, key, ...values),
    /** The sentence of a name made at run time, such as `stage.network`; the name's last part where there is none. */
    named: (name: string) =>
      isKey(name) ? fill(table[name][language === 'ko' ? 1 : 0], {}) : name.slice(name.indexOf('.') + 1),
    ml: (value: number) => formatMl(language, ml(value)),
    mlChange: (value: number) => formatMlChange(language, ml(value)),
    mm: (value: number) => formatMm(language, mm(value)),
    bytes: (value: number) => formatBytes(language, value),
    percent: (share: number) => formatPercent(language, share),
    day: (day: string) => formatDay(language, day),
    moment: (moment: string) => formatMoment(language, moment),
    number: (value: number, digits = 0) => number(language, value, digits),
  }
}

export type Words = ReturnType<typeof wordsOf>

/** Every word, number and date that a component shows comes from here. */
export function useWords(): Words {
  const { language } = useSettings()
  return useMemo(() => wordsOf(language), [language])
}
