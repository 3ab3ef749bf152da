import { ScanLine } from 'lucide-react'
import type { JobRow } from '../api/types'
import { useWords } from '../words/useWords'
import type { Segmenting } from './useSegmenting'

interface SegmentationButtonProps {
  segmenting: Segmenting
  hasMask: boolean
  shown: boolean
  mayStart: boolean
  onPressed: () => void
}

/** Makes the mask where there is none and fills while it is made; then switches it on and off. */
export function SegmentationButton({ segmenting, hasMask, shown, mayStart, onPressed }: SegmentationButtonProps) {
  const { t, named, percent, number } = useWords()
  const { job, running } = segmenting
  const share = running ? (job?.share ?? 0) : 0
  const stage = running && job ? stageOf(job) : null
  return (
    <div className="segmentation">
      <button
        type="button"
        className={`button segmentation-button ${hasMask && shown ? 'on' : ''}`}
        aria-pressed={hasMask ? shown : undefined}
        disabled={!hasMask && (running || !mayStart)}
        title={hasMask ? t('study.segmentation.toggle') : t('study.segmentation.start')}
        onClick={onPressed}
      >
        {running && <span className="segmentation-fill" style={{ width: `${Math.round(share * 100)}%` }} />}
        <ScanLine size={16} aria-hidden="true" />
        <span>{t('study.segmentation')}</span>
        <kbd>S</kbd>
      </button>
      {stage && (
        <span className="segmentation-stage numeric" role="status">
          {stage.kind === 'queued'
            ? t('study.job.queued', { position: stage.position })
            : t('study.job.running', { stage: named(`stage.${stage.stage}`), percent: percent(share) })}
          {stage.kind === 'running' &&
            stage.left !== null &&
            ` ${t('study.job.left', { seconds: number(stage.left) })}`}
        </span>
      )}
    </div>
  )
}

type Stage = { kind: 'queued'; position: number } | { kind: 'running'; stage: string; left: number | null }

function stageOf(job: JobRow): Stage {
  if (job.state === 'queued') return { kind: 'queued', position: job.position ?? 1 }
  return {
    kind: 'running',
    stage: job.stage ?? 'read',
    left: job.eta_seconds === null ? null : Math.max(1, Math.round(job.eta_seconds)),
  }
}
