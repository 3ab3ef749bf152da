import { Link } from '@tanstack/react-router'
import { Boxes, Contact, List, Moon, Plus, Sun, Users } from 'lucide-react'
import type { Session } from '../api/types'
import { useMayEdit } from '../api/useRole'
import { Button, IconButton } from '../ui/Button'
import { useWords } from '../words/useWords'
import { UploadMark } from '../worklist/UploadMark'
import { useIsDark } from './appearance'
import { QueueMenu } from './QueueMenu'
import { SearchBox } from './SearchBox'
import { changeSettings } from './settings'
import { UserMenu } from './UserMenu'

export function Header({ session, onHelp }: { session: Session | undefined; onHelp: () => void }) {
  const { t, language } = useWords()
  const dark = useIsDark()
  const editor = useMayEdit()
  return (
    <header className="header">
      <Link to="/" className="brand">
        <img src="/icon.svg" alt="" width={20} height={20} />
        Glioscope
      </Link>
      <nav aria-label={t('frame.menu')}>
        <Link to="/" activeOptions={{ exact: true, includeSearch: false }}>
          <List size={16} aria-hidden="true" />
          <span>{t('frame.worklist')}</span>
        </Link>
        <Link to="/patients" activeOptions={{ includeSearch: false }}>
          <Contact size={16} aria-hidden="true" />
          <span>{t('patients.title')}</span>
        </Link>
        <Link to="/models">
          <Boxes size={16} aria-hidden="true" />
          <span>{t('frame.models')}</span>
        </Link>
        <Link to="/users">
          <Users size={16} aria-hidden="true" />
          <span>{t('frame.users')}</span>
        </Link>
      </nav>
      <SearchBox />
      <div className="header-end">
        <UploadMark />
        <QueueMenu />
        <Button
          look="quiet"
          lang={language === 'en' ? 'ko' : 'en'}
          onClick={() => changeSettings({ language: language === 'en' ? 'ko' : 'en' })}
        >
          {language === 'en' ? '한국어' : 'English'}
        </Button>
        <IconButton
          icon={dark ? <Sun size={16} /> : <Moon size={16} />}
          label={t('frame.theme')}
          onClick={() => changeSettings({ theme: dark ? 'light' : 'dark' })}
        />
        <UserMenu session={session} onHelp={onHelp} />
        {editor && (
          <Link to="/upload" className="button primary upload-button">
            <Plus size={16} aria-hidden="true" />
            {t('worklist.upload')}
          </Link>
        )}
      </div>
    </header>
  )
}
