import {
  infiniteQueryOptions,
  keepPreviousData,
  useInfiniteQuery,
  useMutation,
  useQueryClient,
} from '@tanstack/react-query'
import { get, post, remove } from '../api/client'
import type { DemoStudy, JobRow, Page, StudyRow } from '../api/types'
import { toast } from '../ui/Toasts'
import { useFailure } from '../words/useFailure'
import { useWords } from '../words/useWords'
import { type Filter, queryOf } from './filter'

const listOf = (filter: Filter) =>
  infiniteQueryOptions({
    queryKey: ['studies', 'list', filter],
    queryFn: ({ pageParam, signal }) =>
      get<Page<StudyRow>>('studies', { ...queryOf(filter), limit: 100, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
  })

/** The studies of a filter, a hundred at a time. */
export function useStudies(filter: Filter) {
  return useInfiniteQuery(listOf(filter))
}

/** What is done to several studies at once; the list is asked for anew, and the way back is offered. */
export function useStudyActions() {
  const client = useQueryClient()
  const { t } = useWords()
  const failure = useFailure()
  const refresh = () => client.invalidateQueries({ queryKey: ['studies'] })
  const onError = (error: unknown) => toast({ text: failure(error).sentence, tone: 'bad' })
  const each = async (ids: readonly string[], act: (id: string) => Promise<unknown>) => {
    const outcomes = await Promise.allSettled(ids.map(act))
    await refresh()
    const refused = outcomes.find((outcome) => outcome.status === 'rejected')
    if (refused) onError(refused.reason)
    return outcomes.filter((outcome) => outcome.status === 'fulfilled').length
  }
  const restore = useMutation({
    mutationFn: (ids: readonly string[]) => each(ids, (id) => post(`studies/${id}/restore`)),
    onSuccess: (n) => n > 0 && toast({ text: t('worklist.restored', { n }) }),
  })
  const bin = useMutation({
    mutationFn: (ids: readonly string[]) => each(ids, (id) => remove(`studies/${id}`)),
    onSuccess: (n, ids) =>
      n > 0 &&
      toast({ text: t('worklist.deleted', { n }), action: { label: t('do.undo'), run: () => restore.mutate(ids) } }),
  })
  const segment = useMutation({
    mutationFn: (ids: readonly string[]) => each(ids, (id) => post<JobRow>(`studies/${id}/segmentations`, {})),
    onSuccess: (n) => n > 0 && toast({ text: t('worklist.again.done', { n }) }),
  })
  const cancel = useMutation({ mutationFn: (job: string) => remove(`jobs/${job}`), onSettled: refresh, onError })
  const retry = useMutation({
    mutationFn: (job: string) => post<JobRow>(`jobs/${job}/retry`),
    onSettled: refresh,
    onError,
  })
  return { restore, bin, segment, cancel, retry }
}

/** Makes the phantom study again, or finds the one that is there. */
export function useDemo(onMade: (id: string) => void) {
  const client = useQueryClient()
  const failure = useFailure()
  return useMutation({
    mutationFn: () => post<DemoStudy>('demo'),
    onSuccess: ({ study_id }) => {
      void client.invalidateQueries({ queryKey: ['studies'] })
      onMade(study_id)
    },
    onError: (error) => toast({ text: failure(error).sentence, tone: 'bad' }),
  })
}
