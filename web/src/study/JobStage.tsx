import { X } from 'lucide-react'
import type { JobRow } from '../api/types'
import { IconButton } from '../ui/Button'
import { useWords } from '../words/useWords'

/** What a running segmentation is doing, how far it is and how long it will take. */
export function JobStage({ job, onCancel }: { job: JobRow; onCancel: (() => void) | undefined }) {
  const { t, named, percent, number } = useWords()
  const left = job.eta_seconds === null ? null : Math.max(1, Math.round(job.eta_seconds))
  const stage = named(`stage.${job.stage ?? 'read'}`)
  return (
    <span className="job-stage">
      {/* The percent changes four times a second: only the stage is read aloud. */}
      <span className="unseen" role="status">
        {job.state === 'queued' ? t('job.queued') : stage}
      </span>
      <span className="numeric">
        {job.state === 'queued'
          ? t('study.job.queued', { position: job.position ?? 1 })
          : t('study.job.running', { stage, percent: percent(job.share) })}
        {job.state === 'running' && left !== null && ` ${t('study.job.left', { seconds: number(left) })}`}
      </span>
      {onCancel && <IconButton icon={<X size={14} />} label={t('job.cancel')} onClick={onCancel} />}
    </span>
  )
}
