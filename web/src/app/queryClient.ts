import { QueryClient } from '@tanstack/react-query'
import { ApiError } from '../api/client'

/** Refusals are final; only silence and a server that is busy are worth another try. */
function isWorthRetrying(failures: number, error: Error): boolean {
  if (!(error instanceof ApiError)) return false
  return failures < 2 && (error.status === 0 || error.status === 503)
}

export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // Events of the server say when something changed, so nothing is asked for twice within a minute.
        staleTime: 30_000,
        retry: isWorthRetrying,
        networkMode: 'always',
      },
      mutations: { networkMode: 'always' },
    },
  })
}
