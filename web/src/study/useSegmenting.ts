import { useMutation, useQueryClient } from '@tanstack/react-query'
import { post, remove } from '../api/client'
import { queries } from '../api/queries'
import type { JobRow, Study } from '../api/types'

export interface Segmenting {
  job: JobRow | null
  running: boolean
  start: () => void
  cancel: () => void
  error: Error | null
}

const isOpen = (job: JobRow) => job.state === 'queued' || job.state === 'running'

/** The job that a reader should hear of. A failure is past once a newer version stands. */
export function shownJob({ job, segmentations }: Pick<Study, 'job' | 'segmentations'>): JobRow | null {
  if (!job || job.state === 'done' || job.state === 'cancelled') return null
  return job.state === 'failed' && segmentations.some((row) => row.created_at > job.created_at) ? null : job
}

/** The study's segmentation. The server's events keep the job in the query's cache; a finished one brings its mask. */
export function useSegmenting(study: Study): Segmenting {
  const client = useQueryClient()
  const begin = useMutation({
    mutationFn: () => post<JobRow>(`studies/${study.id}/segmentations`, {}),
    onSuccess: (job) => client.setQueryData(queries.study(study.id).queryKey, (old) => (old ? { ...old, job } : old)),
  })
  const stop = useMutation({
    mutationFn: (job: string) => remove(`jobs/${job}`),
    onSettled: () => client.invalidateQueries({ queryKey: queries.study(study.id).queryKey }),
  })
  const job = shownJob(study)
  return {
    job,
    running: begin.isPending || (job !== null && isOpen(job)),
    start: () => begin.mutate(),
    cancel: () => job && stop.mutate(job.id),
    error: begin.error ?? stop.error,
  }
}
