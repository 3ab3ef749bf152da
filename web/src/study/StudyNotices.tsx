import { Link } from '@tanstack/react-router'
import type { JobRow, SegmentationRow, Study } from '../api/types'
import { Button } from '../ui/Button'
import { Notice } from '../ui/Notice'
import type { Library } from '../viewer/library'
import { useFailure } from '../words/useFailure'
import { isKey, useWords } from '../words/useWords'
import type { Segmenting } from './useSegmenting'

interface StudyNoticesProps {
  study: Study
  gone: 'gone' | 'there'
  library: Library
  segmenting: Segmenting
  /** The version on screen. */
  mask: SegmentationRow | null
}

/** What does not go as it should, beside the panes, with what to do about it. */
export function StudyNotices({ study, gone, library, segmenting, mask }: StudyNoticesProps) {
  const { t, named } = useWords()
  const failureOf = useFailure()
  const failed = study.series.filter((one) => library.failure(one.url) !== null)
  const failure = segmenting.job?.state === 'failed' ? segmenting.job.failure : null
  const trouble = segmenting.error ? failureOf(segmenting.error).sentence : failure ? causeOf(named, failure) : null
  return (
    <>
      {gone === 'gone' && (
        <Notice
          tone="bad"
          actions={
            <Link to="/" search={{ bin: 'true' }} className="button">
              {t('worklist.bin')}
            </Link>
          }
        >
          {t('study.gone')}
        </Notice>
      )}
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
        <Notice tone="caution" actions={<Button onClick={() => library.again()}>{t('do.retry')}</Button>}>
          {t('study.slices_only', { sequences: failed.map((one) => named(`sequence.${one.sequence}`)).join(', ') })}
        </Notice>
      )}
      {mask && library.failure(mask.labels_url) !== null && (
        <Notice tone="caution" actions={<Button onClick={() => library.again()}>{t('do.retry')}</Button>}>
          {t('study.no_labels', { n: mask.number })}
        </Notice>
      )}
      {trouble !== null && (
        <Notice tone="bad" actions={<Button onClick={segmenting.start}>{t('do.retry')}</Button>}>
          {t('study.job.failed')} <small>{trouble}</small>
        </Notice>
      )}
    </>
  )
}

/** The cause in the reader's language where the table has it, else as the server says it. */
function causeOf(named: (name: string) => string, failure: NonNullable<JobRow['failure']>): string {
  const key = `failure.${failure.code}`
  return isKey(key) ? named(key) : failure.detail
}
