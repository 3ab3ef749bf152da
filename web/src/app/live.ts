import type { InfiniteData, QueryClient } from '@tanstack/react-query'
import { onServerEvent } from '../api/events'
import type { JobRow, Page, ServerEvent, Study, StudyRow } from '../api/types'

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

/** Writes what the server tells into the query cache. */
export class News {
  readonly #client: QueryClient
  readonly #waiting = new Map<string, ReturnType<typeof setTimeout>>()

  constructor(client: QueryClient) {
    this.#client = client
  }

  hear(event: ServerEvent): void {
    const client = this.#client
    switch (event.kind) {
      case 'job':
        client.setQueriesData<Listed>({ queryKey: ['studies'] }, (list) => listWithJob(list, event.job))
        client.setQueryData<Study>(['study', event.job.study_id], (study) => study && withJob(study, event.job))
        client.setQueryData<JobRow[]>(['jobs'], (jobs) => jobsWith(jobs, event.job))
        if (ended(event.job)) {
          void client.invalidateQueries({ queryKey: ['study', event.job.study_id] })
          this.#refreshLists()
        }
        return
      case 'study':
        void client.invalidateQueries({ queryKey: ['study', event.id] })
        this.#refreshLists()
        return
      case 'upload':
        void client.invalidateQueries({ queryKey: ['upload', event.id] })
        return
      case 'missed':
        this.#soon('all', () => void client.invalidateQueries())
        return
    }
  }

  stop(): void {
    for (const timer of this.#waiting.values()) clearTimeout(timer)
    this.#waiting.clear()
  }

  #refreshLists(): void {
    this.#soon('lists', () => {
      for (const list of ['studies', 'patients', 'patient-volumes']) {
        void this.#client.invalidateQueries({ queryKey: [list] })
      }
    })
  }

  /** Many events come at once when a cohort is uploaded or a line comes back: the server is asked once. */
  #soon(what: string, ask: () => void): void {
    clearTimeout(this.#waiting.get(what))
    this.#waiting.set(what, setTimeout(ask, 300))
  }
}

/** Keeps what is shown as the server has it; gives the function that stops it. */
export function followServer(client: QueryClient): () => void {
  const news = new News(client)
  const stop = onServerEvent((event) => news.hear(event))
  return () => {
    news.stop()
    stop()
  }
}
