import { ScanLine } from 'lucide-react'
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
  const { t } = useWords()
  const { job, running } = segmenting
  const share = running ? (job?.share ?? 0) : 0
  return (
    <button
      type="button"
      className={`button segmentation-button ${hasMask && shown ? 'on' : ''}`}
      aria-pressed={hasMask ? shown : undefined}
      disabled={!hasMask && (running || !mayStart)}
      title={t(hasMask ? 'study.segmentation.toggle' : 'study.segmentation.start')}
      onClick={onPressed}
    >
      {running && <span className="segmentation-fill" style={{ width: `${Math.round(share * 100)}%` }} />}
      <ScanLine size={16} aria-hidden="true" />
      <span>{t('study.segmentation')}</span>
      <kbd>S</kbd>
    </button>
  )
}
