import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { CircleUser, Keyboard, LogIn, LogOut, Settings } from 'lucide-react'
import { remove } from '../api/client'
import type { Session } from '../api/types'
import { Menu, type MenuItem } from '../ui/Menu'
import { useWords } from '../words/useWords'

export function UserMenu({ session, onHelp }: { session: Session | undefined; onHelp: () => void }) {
  const { t, named } = useWords()
  const navigate = useNavigate()
  const client = useQueryClient()
  const person = session?.person
  const onLogout = async () => {
    await remove('session').catch(() => undefined)
    client.clear()
    await navigate({ to: '/login', search: {} })
  }
  const items: MenuItem[] = [
    {
      key: 'settings',
      label: t('frame.settings'),
      icon: <Settings size={14} />,
      onChosen: () => void navigate({ to: '/settings' }),
    },
    { key: 'help', label: t('frame.help'), icon: <Keyboard size={14} />, hint: '?', onChosen: onHelp },
  ]
  if (session?.login_required && person) {
    items.push({ key: 'logout', label: t('frame.logout'), icon: <LogOut size={14} />, onChosen: () => void onLogout() })
  } else if (!person) {
    items.push({
      key: 'login',
      label: t('frame.login'),
      icon: <LogIn size={14} />,
      onChosen: () => void navigate({ to: '/login', search: {} }),
    })
  }
  const name = !person ? t('frame.menu') : person.user === null ? t('frame.local') : person.name
  return (
    <Menu
      icon={<CircleUser size={16} />}
      label={<span className="user-name">{name}</span>}
      name={person ? `${name} (${named(`role.${person.role}`)})` : name}
      look="quiet"
      align="end"
      items={items}
    />
  )
}
