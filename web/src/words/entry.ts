export type Language = 'en' | 'ko'

/** One sentence in both languages. `{name}` is filled in; `{n|1 study|# studies}` picks by number. */
export type Entry = readonly [en: string, ko: string]
export type Entries = Readonly<Record<string, Entry>>

type Name<P extends string> = P extends `${infer N}|${string}` ? N : P
/** The names in braces of a sentence. */
export type Names<S extends string> = S extends `${string}{${infer P}}${infer Rest}` ? Name<P> | Names<Rest> : never

/** Puts values into a sentence. */
export function fill(sentence: string, values: Readonly<Record<string, string | number>>): string {
  return sentence.replace(
    /\{([a-z_]+)(?:\|([^|}]*)\|([^|}]*))?\}/g,
    (whole, name: string, one?: string, many?: string) => {
      const value = values[name]
      if (value === undefined) return whole
      if (one === undefined || many === undefined) return String(value)
      return Number(value) === 1 ? one : many.replace('#', String(value))
    },
  )
}
