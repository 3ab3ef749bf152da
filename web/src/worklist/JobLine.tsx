import type { JobRow } from '../api/types'
import { Mark } from '../ui/Notice'
import { ProgressBar } from '../ui/ProgressBar'
import { useWords, type Words } from '../words/useWords'

/** "about 12 s left": seconds below a minute and a half, minutes above. */
export function timeLeft({ t }: Words, seconds: number): string {
  const time =
    seconds < 90 ? t('time.seconds', { n: Math.ceil(seconds) }) : t('time.minutes', { n: Math.round(seconds / 60) })
  return t('job.left', { time })
}

/** What a segmentation does now: stage, percent, time left; or why it ended. */
export function JobLine({ job }: { job: JobRow }) {
  const words = useWords()
  const { t, named, percent } = words
  switch (job.state) {
    case 'queued':
      return (
        <span className="job-line">
          <Mark tone="quiet">{t('job.queued')}</Mark>
          {job.position !== null && <span className="quiet-text">{t('job.position', { n: job.position })}</span>}
        </span>
      )
    case 'running': {
      const stage = job.stage === null ? t('job.running') : named(`stage.${job.stage}`)
      return (
        <span className="job-line">
          <ProgressBar share={job.share} label={t('job.running')} />
          <span>
            {stage} <span className="figures">{percent(job.share)}</span>
          </span>
          {job.eta_seconds !== null && <span className="quiet-text">{timeLeft(words, job.eta_seconds)}</span>}
        </span>
      )
    }
    case 'failed': {
      const code = `failure.${job.failure?.code ?? 'unknown'}`
      const sentence =
        job.failure === null ? t('job.failed') : named(code) === job.failure.code ? job.failure.detail : named(code)
      return (
        <span className="job-line">
          <Mark tone="bad" title={job.failure?.detail}>
            {t('job.failed')}
          </Mark>
          <span className="clip" title={job.failure?.detail}>
            {sentence}
          </span>
        </span>
      )
    }
    case 'cancelled':
      return <Mark tone="quiet">{t('job.cancelled')}</Mark>
    case 'done':
      return <Mark tone="good">{t('job.done')}</Mark>
  }
}
