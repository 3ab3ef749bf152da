import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { queries } from '../api/queries'
import { Button } from '../ui/Button'
import { Notice } from '../ui/Notice'
import { useWords } from '../words/useWords'
import { StudyViewer } from './StudyViewer'
import './study.css'

/** The main page: one study in its planes. */
export function StudyPage({ studyId }: { studyId: string }) {
  const { t } = useWords()
  const study = useQuery(queries.study(studyId))
  if (study.isPending) return <p className="study-wait">{t('loading')}</p>
  if (study.isError) {
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
          {t('study.failed')} <small>{study.error.message}</small>
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
  return <StudyViewer study={study.data} shape={shape} spacing={spacing} />
}
