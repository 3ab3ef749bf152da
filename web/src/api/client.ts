import { Connection } from './connection'
import type { Problem } from './types'

export const ROOT = '/api/v1'

export type Query = Record<string, string | number | boolean | null | undefined>
type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** What went wrong, in the server's words: `code` is stable, `detail` is a sentence in English. */
export class ApiError extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.detail || problem.title)
    this.name = 'ApiError'
    this.problem = problem
  }

  get code(): string {
    return this.problem.code
  }

  get status(): number {
    return this.problem.status
  }
}

/** The address under the API's root; empty values of the query are left out. */
export function address(path: string, query: Query = {}): string {
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== null && value !== '')
    .map(([key, value]) => [key, String(value)])
  const search = new URLSearchParams(pairs).toString()
  return `${ROOT}/${path}${search ? `?${search}` : ''}`
}

/** A failed answer as an error, whether or not it is problem+json. */
export function asProblem(status: number, text: string): ApiError {
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null && 'code' in body) {
      return new ApiError(body as Problem)
    }
  } catch {
    // Not JSON: a proxy's page, say. What follows tells at least the status.
  }
  return new ApiError({ code: `http_${status}`, status, title: `HTTP ${status}`, detail: text.slice(0, 200) })
}

interface Options {
  query?: Query | undefined
  json?: unknown
  body?: BodyInit | undefined
  signal?: AbortSignal | undefined
}

/** What proxies say for a server behind them that is not there. */
const ABSENT = new Set([502, 504])

/** Whether the server answers, as all requests of this tab have seen it. */
export const connection = new Connection(async () => {
  const { status } = await fetch(`${ROOT}/session`, { credentials: 'same-origin' })
  if (ABSENT.has(status)) throw silence()
})

/** No answer, as an error. */
export function silence(): ApiError {
  return new ApiError({ code: 'offline', status: 0, title: 'No answer', detail: 'The server did not answer.' })
}

const strangers = new Set<() => void>()

/** Calls `listener` when the server does not know this browser any more: the login has ended, perhaps in the midst of an edit. */
export function onLoginNeeded(listener: () => void): () => void {
  strangers.add(listener)
  return () => {
    strangers.delete(listener)
  }
}

/** The one fetch of the page. Throws `ApiError` only; its code is `offline` when no answer came. */
export async function send(method: Method, path: string, options: Options = {}): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json' }
  if (method !== 'GET') headers['X-Glioscope'] = '1'
  if (options.json !== undefined) headers['Content-Type'] = 'application/json'
  const response = await answered(options.signal, () =>
    fetch(path.startsWith('/') ? path : address(path, options.query), {
      method,
      headers,
      credentials: 'same-origin',
      body: options.json === undefined ? (options.body ?? null) : JSON.stringify(options.json),
      signal: options.signal ?? null,
    }),
  )
  if (ABSENT.has(response.status)) connection.lost()
  else connection.heard()
  if (response.status === 401) for (const listener of strangers) listener()
  if (!response.ok) throw asProblem(response.status, await answered(options.signal, () => response.text()))
  return response
}

/** Waits for a part of an answer; a line that breaks is an `ApiError` and is noticed, a wish to stop is neither. */
async function answered<T>(signal: AbortSignal | undefined, wait: () => Promise<T>): Promise<T> {
  try {
    return await wait()
  } catch (error) {
    if (signal?.aborted) throw error
    connection.lost()
    throw silence()
  }
}

/** All bytes of a file of the server. */
export async function bytesOf(url: string, signal: AbortSignal): Promise<ArrayBuffer> {
  const response = await send('GET', url, { signal })
  return answered(signal, () => response.arrayBuffer())
}

async function json<T>(method: Method, path: string, options?: Options): Promise<T> {
  const response = await send(method, path, options)
  const text = await answered(options?.signal, () => response.text())
  return (text === '' ? undefined : JSON.parse(text)) as T
}

export const get = <T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> =>
  json<T>('GET', path, { query, signal })
export const post = <T>(path: string, body?: unknown): Promise<T> => json<T>('POST', path, { json: body })
export const patch = <T>(path: string, body: unknown): Promise<T> => json<T>('PATCH', path, { json: body })
export const remove = (path: string, query?: Query): Promise<void> => json<void>('DELETE', path, { query })
/** Sends bytes (a mask, a draft, a model) and reads JSON back. */
export const sendBytes = <T>(method: 'POST' | 'PUT', path: string, body: Blob, query?: Query): Promise<T> =>
  json<T>(method, path, { body, query })
