import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query'
import { get } from '../api/client'
import type { Page, Patient } from '../api/types'
import type { PatientFilter } from './patientFilter'

/** The patients of a filter, a hundred at a time. */
export function usePatients(filter: PatientFilter) {
  return useInfiniteQuery({
    queryKey: ['patients', 'list', filter],
    queryFn: ({ pageParam, signal }) =>
      get<Page<Patient>>(
        'patients',
        { search: filter.search, sort: filter.sort ?? '-created_at', limit: 100, cursor: pageParam },
        signal,
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
  })
}
