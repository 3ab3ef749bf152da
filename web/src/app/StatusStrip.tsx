import type { UseQueryResult } from '@tanstack/react-query'
import { CircleHelp, TriangleAlert, Unplug } from 'lucide-react'
import { useSyncExternalStore } from 'react'
import { connection } from '../api/client'
import type { Session } from '../api/types'
import { Button } from '../ui/Button'
import { useWords } from '../words/useWords'
import { UploadMark } from '../worklist/UploadMark'

interface StatusStripProps {
  session: UseQueryResult<Session>
  /** Over the viewer there is no header, so running uploads are seen here. */
  showUploads: boolean
  onHelp: () => void
}

/** The foot of every page: what this program is not, and whether the server is there. */
export function StatusStrip({ session, showUploads, onHelp }: StatusStripProps) {
  const { t } = useWords()
  const silent = useSyncExternalStore(connection.subscribe, connection.silent)
  return (
    <footer className={silent ? 'strip silent' : 'strip'}>
      <strong className="research">
        <TriangleAlert size={14} aria-hidden="true" />
        {t('research_use')}
      </strong>
      {silent && (
        <span className="strip-silent" role="alert">
          <Unplug size={14} aria-hidden="true" />
          <span>{t('frame.offline')}</span>
          <Button onClick={() => void connection.askNow()}>{t('do.retry')}</Button>
        </span>
      )}
      {showUploads && <UploadMark />}
      <span className="strip-end">
        {session.data && <span className="quiet-text">{t('frame.version', { version: session.data.version })}</span>}
        <button
          type="button"
          className="strip-help"
          onClick={onHelp}
          aria-label={t('frame.help')}
          title={`${t('frame.help')} (?)`}
        >
          <CircleHelp size={14} aria-hidden="true" />
        </button>
      </span>
    </footer>
  )
}
