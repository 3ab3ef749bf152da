import { useQuery } from '@tanstack/react-query'
import { queries } from './queries'
import type { Role } from './types'

/** What the person here may do; a viewer's rights until the server has answered. */
export function useRole(): Role {
  const session = useQuery(queries.session())
  return session.data?.person?.role ?? 'viewer'
}

export function useMayEdit(): boolean {
  return useRole() !== 'viewer'
}
