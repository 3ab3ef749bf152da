import { ApiError } from '../api/client'
import { isKey, useWords, type Words } from './useWords'

export interface Failure {
  /** A sentence with a next step, in the reader's language. */
  sentence: string
  /** The server's own words, where they say more. */
  detail: string | null
}

/** What to tell a reader about an error: the sentence of its code, and the server's detail in small print. */
export function failureOf(words: Words, error: unknown): Failure {
  if (!(error instanceof ApiError)) {
    return {
      sentence: words.t('error.unknown', { code: 'page' }),
      detail: error instanceof Error ? error.message : null,
    }
  }
  const { code, title, detail, instance, errors } = error.problem
  const key = `error.${code}`
  // A detail that is the title of its code says in English what the sentence says.
  const own = detail && !(isKey(key) && detail === title) ? [detail] : []
  const causes = [...own, ...(errors ?? []).map((cause) => cause.detail)]
  const sentence = isKey(key) ? words.named(key) : words.t('error.unknown', { code })
  const reference = isKey(key) || !instance ? [] : [words.t('error.reference', { id: instance })]
  return { sentence, detail: [...new Set(causes), ...reference].join(' ') || null }
}

export function useFailure(): (error: unknown) => Failure {
  const words = useWords()
  return (error) => failureOf(words, error)
}
