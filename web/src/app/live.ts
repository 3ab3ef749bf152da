import type { InfiniteData, QueryClient } from '@tanstack/react-query'
import { onServerEvent } from '../api/events'
import type { JobRow, Page, Study, StudyRow } from '../api/types'

const ended = (job: JobRow) => job.state === 'done' || job.state === 'failed' || job.state === 'cancelled'

/** The row with the news of its job; the same object where the news is not about it. */
export function withJob<T extends StudyRow>(row: T, job: JobRow): T {
  if (row.id !== job.study_id) return row
  if (row.job && row.job.id !== job.id && row.job.created_at > job.created_at) return row
  return { ...row, job }
}

type Listed = Page<StudyRow> | InfiniteData<Page<StudyRow>> | undefined

function listWithJob(list: Listed, job: JobRow): Listed {
  if (list === undefined) return list
  if ('pages' in list) return { ...list, pages: list.pages.map((page) => pageWithJob(page, job)) }
  return pageWithJob(list, job)
}

function pageWithJob(page: Page<StudyRow>, job: JobRow): Page<StudyRow> {
  if (!page.items.some((row) => row.id === job.study_id)) return page
  return { ...page, items: page.items.map((row) => withJob(row, job)) }
}

function jobsWith(jobs: JobRow[] | undefined, job: JobRow): JobRow[] | undefined {
  if (jobs === undefined) return jobs
  return jobs.some((other) => other.id === job.id)
    ? jobs.map((other) => (other.id === job.id ? job : other))
    : [job, ...jobs]
}

/** Writes what the server tells into the query cache; gives the function that stops it. */
export function followServer(client: QueryClient): () => void {
  let refresh: ReturnType<typeof setTimeout> | undefined
  // Many events come at once when a cohort is uploaded: the lists are asked for once.
  const refreshLists = () => {
    clearTimeout(refresh)
    refresh = setTimeout(() => {
      void client.invalidateQueries({ queryKey: ['studies'] })
      void client.invalidateQueries({ queryKey: ['patient-volumes'] })
    }, 300)
  }
  const stop = onServerEvent((event) => {
    switch (event.kind) {
      case 'job':
        client.setQueriesData<Listed>({ queryKey: ['studies'] }, (list) => listWithJob(list, event.job))
        client.setQueryData<Study>(['study', event.job.study_id], (study) => study && withJob(study, event.job))
        client.setQueryData<JobRow[]>(['jobs'], (jobs) => jobsWith(jobs, event.job))
        if (ended(event.job)) {
          void client.invalidateQueries({ queryKey: ['study', event.job.study_id] })
          refreshLists()
        }
        return
      case 'study':
        void client.invalidateQueries({ queryKey: ['study', event.id] })
        refreshLists()
        return
      case 'upload':
        void client.invalidateQueries({ queryKey: ['upload', event.id] })
        return
      case 'reconnected':
        void client.invalidateQueries()
        return
    }
  })
  return () => {
    clearTimeout(refresh)
    stop()
  }
}
