import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { ApiError } from '../api/client'
import { queries } from '../api/queries'
import { Button } from '../ui/Button'
import { Notice } from '../ui/Notice'
import { useFailure } from '../words/useFailure'
import { useWords } from '../words/useWords'
import { StudyViewer } from './StudyViewer'
import './study.css'

/** The main page: one study in its planes. */
export function StudyPage({ studyId }: { studyId: string }) {
  const { t } = useWords()
  const failure = useFailure()
  const study = useQuery(queries.study(studyId))
  if (study.isPending) return <p className="study-wait">{t('loading')}</p>
  // A question that failed later closes nothing: what is on screen, and what is edited, stays.
  if (!study.data) {
    return (
      <div className="study-wait">
        <Notice
          tone="bad"
          actions={
            <>
              <Button onClick={() => void study.refetch()}>{t('do.retry')}</Button>
              <Link to="/" className="button">
                {t('frame.to_worklist')}
              </Link>
            </>
          }
        >
          {t('study.failed')} <small>{failure(study.error).sentence}</small>
        </Notice>
      </div>
    )
  }
  const { shape, spacing } = study.data
  if (!shape || !spacing || study.data.series.length === 0) {
    return (
      <div className="study-wait">
        <Notice
          tone="caution"
          actions={
            <Link to="/upload" search={{ study: studyId }} className="button primary">
              {t('study.complete')}
            </Link>
          }
        >
          {t('study.empty')}
        </Notice>
      </div>
    )
  }
  const gone = study.error instanceof ApiError && [404, 410].includes(study.error.status)
  return <StudyViewer study={study.data} shape={shape} spacing={spacing} gone={gone ? 'gone' : 'there'} />
}
