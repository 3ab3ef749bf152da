import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Activity } from 'lucide-react'
import { queries } from '../api/queries'
import { Popover } from '../ui/Popover'
import { useWords } from '../words/useWords'
import { JobLine } from '../worklist/JobLine'

/** How much is waiting, and what; open to see each with its progress. */
export function QueueMenu() {
  const { t } = useWords()
  const jobs = useQuery(queries.jobs())
  const open = (jobs.data ?? []).filter((job) => job.state === 'queued' || job.state === 'running')
  return (
    <Popover
      icon={<Activity size={16} aria-hidden="true" />}
      label={
        <>
          <span className="figures">{open.length}</span> <span className="unseen">{t('frame.jobs')}</span>
        </>
      }
      name={t('frame.queue', { n: open.length })}
      look="quiet"
      align="end"
    >
      <h3>{t('frame.jobs')}</h3>
      {open.length === 0 && <p className="quiet-text">{t('frame.no_jobs')}</p>}
      <ul className="queue-list">
        {open.map((job) => (
          <li key={job.id}>
            <JobLine job={job} />
            <Link to="/studies/$id" params={{ id: job.study_id }}>
              {t('do.open')}
            </Link>
          </li>
        ))}
      </ul>
    </Popover>
  )
}
