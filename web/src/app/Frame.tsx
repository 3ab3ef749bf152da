import { useQuery } from '@tanstack/react-query'
import { Navigate, Outlet, useLocation } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { ApiError } from '../api/client'
import { queries } from '../api/queries'
import { useShortcuts } from '../ui/shortcuts'
import { Toasts } from '../ui/Toasts'
import { useWords } from '../words/useWords'
import { DropCurtain } from '../worklist/DropCurtain'
import { Header } from './Header'
import { HelpDialog } from './HelpDialog'
import { StatusStrip } from './StatusStrip'

const titles = [
  ['/', 'frame.worklist'],
  ['/patients', 'patients.title'],
  ['/upload', 'upload.title'],
  ['/models', 'models.title'],
  ['/users', 'accounts.title'],
  ['/settings', 'settings.title'],
  ['/login', 'login.title'],
] as const

/** Around every page: header (not over the viewer), the line nobody can miss, help, messages. */
export function Frame() {
  const { t } = useWords()
  const { pathname, href } = useLocation()
  const session = useQuery(queries.session())
  const [helping, setHelping] = useState(false)
  useShortcuts(t('help.everywhere'), [
    { keys: 'Shift+Slash ?', shown: '?', does: t('help.this'), run: () => setHelping(true) },
  ])
  const viewer = pathname.startsWith('/studies/') || pathname === '/compare'
  const kind = viewer ? 'viewer' : pathname === '/login' ? 'login' : 'page'
  const title = titles.find(([path]) => path === pathname)?.[1]
  const named = title === undefined ? null : t(title)
  useEffect(() => {
    document.title = named === null ? 'Glioscope' : `${named} · Glioscope`
  }, [named])
  const refused = session.error instanceof ApiError && session.error.status === 401
  const loggedOut = refused || session.data?.person === null
  if (loggedOut && kind !== 'login') return <Navigate to="/login" search={{ next: href }} replace />
  return (
    <div className={`frame over-${kind}`}>
      <a className="skip" href="#content">
        {t('frame.skip')}
      </a>
      {kind === 'page' && <Header session={session.data} onHelp={() => setHelping(true)} />}
      <main id="content" tabIndex={-1}>
        <Outlet />
      </main>
      <StatusStrip session={session} showUploads={kind === 'viewer'} onHelp={() => setHelping(true)} />
      {helping && <HelpDialog onClose={() => setHelping(false)} />}
      {kind !== 'login' && <DropCurtain />}
      <Toasts closeLabel={t('do.close')} />
    </div>
  )
}
