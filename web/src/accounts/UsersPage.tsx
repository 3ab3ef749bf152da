import { useQuery } from '@tanstack/react-query'
import { Link, useSearch } from '@tanstack/react-router'
import { queries } from '../api/queries'
import { Notice } from '../ui/Notice'
import { Tabs } from '../ui/Tabs'
import { useWords } from '../words/useWords'
import { AuditList } from './AuditList'
import { PasswordForm } from './PasswordForm'
import { PeopleList } from './PeopleList'
import { TokenList } from './TokenList'

/** Accounts, tokens and the audit log; everybody has tokens, administrators see the rest. */
export function UsersPage() {
  const { t } = useWords()
  const { tab } = useSearch({ from: '/users' })
  const session = useQuery(queries.session())
  const person = session.data?.person
  const admin = person?.role === 'admin'
  const accounted = person?.user !== null
  if (!person) return <p className="quiet-text waiting">{t('loading')}</p>
  return (
    <div className="page">
      <h1>{t('accounts.title')}</h1>
      <Tabs label={t('accounts.title')}>
        <Link to="/users" search={{}} activeOptions={{ exact: true }}>
          {t('accounts.tab.people')}
        </Link>
        <Link to="/users" search={{ tab: 'tokens' }}>
          {t('accounts.tab.tokens')}
        </Link>
        {admin && (
          <Link to="/users" search={{ tab: 'audit' }}>
            {t('accounts.tab.audit')}
          </Link>
        )}
      </Tabs>
      {tab === undefined && (
        <>
          {!accounted && <Notice tone="note">{t('accounts.local')}</Notice>}
          {admin ? <PeopleList person={person} /> : <Notice tone="note">{t('accounts.admins')}</Notice>}
          {person.user !== null && <PasswordForm user={person.user} />}
        </>
      )}
      {tab === 'tokens' && (accounted ? <TokenList /> : <Notice tone="note">{t('tokens.account')}</Notice>)}
      {tab === 'audit' && (admin ? <AuditList /> : <Notice tone="note">{t('accounts.admins')}</Notice>)}
    </div>
  )
}
