import { useInfiniteQuery } from '@tanstack/react-query'
import { useEffect } from 'react'
import { get } from '../api/client'
import type { Metric, Page } from '../api/types'

/** How often a run is asked for what it has written since, in ms. */
const PAUSE = 5000

/** The metrics of a run so far; afterwards only what is new is asked for. */
export function useRunMetrics(name: string): { metrics: Metric[]; error: Error | null; pending: boolean } {
  const query = useInfiniteQuery({
    queryKey: ['run-metrics', name, 'live'],
    queryFn: async ({ pageParam, signal }) => {
      const answer = await get<Metric[] | Page<Metric>>(
        `runs/${encodeURIComponent(name)}/metrics`,
        { after: pageParam },
        signal,
      )
      return Array.isArray(answer) ? answer : answer.items
    },
    initialPageParam: null as number | null,
    getNextPageParam: (_last, pages) => lastStep(pages.flat()),
    staleTime: Number.POSITIVE_INFINITY,
  })
  const { fetchNextPage, isPending } = query
  useEffect(() => {
    if (isPending) return
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') void fetchNextPage()
    }, PAUSE)
    return () => clearInterval(timer)
  }, [fetchNextPage, isPending])
  return { metrics: query.data?.pages.flat() ?? [], error: query.error, pending: isPending }
}

const lastStep = (metrics: readonly Metric[]) => metrics[metrics.length - 1]?.step ?? null
