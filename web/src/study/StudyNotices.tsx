import { Link } from '@tanstack/react-router'
import type { SegmentationRow, Study } from '../api/types'
import { Button } from '../ui/Button'
import { Notice } from '../ui/Notice'
import type { Library } from '../viewer/library'
import { useWords } from '../words/useWords'
import type { Segmenting } from './useSegmenting'

interface StudyNoticesProps {
  study: Study
  library: Library
  segmenting: Segmenting
  /** The version on screen. */
  mask: SegmentationRow | null
}

/** What does not go as it should, beside the panes, with what to do about it. */
export function StudyNotices({ study, library, segmenting, mask }: StudyNoticesProps) {
  const { t, named } = useWords()
  const failed = study.series.filter((one) => library.failure(one.url) !== null)
  const failure = segmenting.job?.state === 'failed' ? segmenting.job.failure : null
  return (
    <>
      {study.missing.length > 0 && (
        <Notice
          tone="caution"
          actions={
            <Link to="/upload" search={{ study: study.id }} className="button">
              {t('study.complete')}
            </Link>
          }
        >
          {t('study.missing', { sequences: study.missing.map((key) => named(`sequence.${key}`)).join(', ') })}
        </Notice>
      )}
      {failed.length > 0 && (
        <Notice
          tone="caution"
          actions={
            <Button
              onClick={() => {
                library.forgive()
                for (const one of failed) void library.loadVolume(one.url)
              }}
            >
              {t('do.retry')}
            </Button>
          }
        >
          {t('study.slices_only', { sequences: failed.map((one) => named(`sequence.${one.sequence}`)).join(', ') })}
        </Notice>
      )}
      {mask && library.failure(mask.labels_url) !== null && (
        <Notice
          tone="caution"
          actions={
            <Button
              onClick={() => {
                library.forgive()
                void library.loadLabels(mask.labels_url)
              }}
            >
              {t('do.retry')}
            </Button>
          }
        >
          {t('study.no_labels', { n: mask.number })}
        </Notice>
      )}
      {(failure || segmenting.error) && (
        <Notice tone="bad" actions={<Button onClick={segmenting.start}>{t('do.retry')}</Button>}>
          {t('study.job.failed')} <small>{failure?.detail ?? segmenting.error?.message}</small>
        </Notice>
      )}
    </>
  )
}
