import { useQuery, useQueryClient } from '@tanstack/react-query'
import { get } from '../api/client'
import type { Metric, Page } from '../api/types'
import { continued } from './reading'

/** How often a run is asked for what it has written since, in ms. */
const PAUSE = 5000

const NONE: readonly Metric[] = []

/** The metrics of a run so far; each time only what may be new is asked for. */
export function useRunMetrics(name: string): { metrics: readonly Metric[]; error: Error | null; pending: boolean } {
  const client = useQueryClient()
  const queryKey = ['run-metrics', name]
  const query = useQuery({
    queryKey,
    queryFn: async ({ signal }) => {
      const known = client.getQueryData<readonly Metric[]>(queryKey) ?? NONE
      // The last step again: a validation is written under the step after which it was made, minutes later.
      const last = known[known.length - 1]?.step ?? 0
      const path = `runs/${encodeURIComponent(name)}/metrics`
      const answer = await get<Metric[] | Page<Metric>>(path, { after: last > 0 ? last - 1 : null }, signal)
      return continued(known, Array.isArray(answer) ? answer : answer.items)
    },
    refetchInterval: PAUSE,
    // Thousands of lines that never change: only the whole is compared.
    structuralSharing: false,
  })
  return { metrics: query.data ?? NONE, error: query.error, pending: query.isPending }
}
