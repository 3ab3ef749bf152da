import { useMutation, useQueryClient } from '@tanstack/react-query'
import { post } from '../api/client'
import { queries } from '../api/queries'
import type { JobRow, Study } from '../api/types'

export interface Segmenting {
  /** The study's job while it waits or runs, and after it failed. */
  job: JobRow | null
  running: boolean
  start: () => void
  error: Error | null
}

const isOpen = (job: JobRow) => job.state === 'queued' || job.state === 'running'

/** The study's segmentation. The server's events keep the job in the query's cache; a finished one brings its mask. */
export function useSegmenting(study: Study): Segmenting {
  const client = useQueryClient()
  const begin = useMutation({
    mutationFn: () => post<JobRow>(`studies/${study.id}/segmentations`, {}),
    onSuccess: (job) => client.setQueryData(queries.study(study.id).queryKey, (old) => (old ? { ...old, job } : old)),
  })
  const job = study.job && study.job.state !== 'done' && study.job.state !== 'cancelled' ? study.job : null
  return {
    job,
    running: begin.isPending || (job !== null && isOpen(job)),
    start: () => begin.mutate(),
    error: begin.error,
  }
}
