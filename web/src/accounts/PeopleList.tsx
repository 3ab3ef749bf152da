import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { patch } from '../api/client'
import { queries } from '../api/queries'
import type { Person, Role, User } from '../api/types'
import { Button } from '../ui/Button'
import { Choice } from '../ui/Field'
import { Mark } from '../ui/Notice'
import { type Column, Table } from '../ui/Table'
import { FailureNotice } from '../words/FailureNotice'
import { useWords } from '../words/useWords'
import { NewAccount } from './NewAccount'

export const roles: readonly Role[] = ['viewer', 'editor', 'admin']

/** Who may come in, and as what. */
export function PeopleList({ person }: { person: Person }) {
  const { t, moment } = useWords()
  const client = useQueryClient()
  const users = useQuery(queries.users())
  const change = useMutation({
    mutationFn: ({ id, ...to }: { id: string; role?: Role; disabled?: boolean }) => patch(`users/${id}`, to),
    onSettled: () => client.invalidateQueries({ queryKey: ['users'] }),
  })
  const columns: Column<User>[] = [
    {
      key: 'name',
      head: t('login.name'),
      cell: (user) => (
        <>
          {user.name} {user.id === person.user && <span className="quiet-text">({t('accounts.you')})</span>}
        </>
      ),
    },
    {
      key: 'role',
      head: t('accounts.role'),
      cell: (user) => (
        <Choice
          label={t('accounts.role_of', { name: user.name })}
          hideLabel
          value={user.role}
          options={roles.map((role) => ({ value: role, label: t(`role.${role}`) }))}
          onChosen={(role) => change.mutate({ id: user.id, role })}
        />
      ),
    },
    { key: 'since', head: t('accounts.since'), cell: (user) => moment(user.created_at) },
    {
      key: 'closed',
      head: '',
      cell: (user) => (
        <span className="row-actions">
          {user.disabled_at !== null && <Mark tone="quiet">{t('accounts.disabled')}</Mark>}
          <Button look="quiet" onClick={() => change.mutate({ id: user.id, disabled: user.disabled_at === null })}>
            {user.disabled_at === null ? t('accounts.disable') : t('accounts.enable')}
          </Button>
        </span>
      ),
    },
  ]
  return (
    <section className="stack">
      {change.error && <FailureNotice error={change.error} />}
      {users.error && <FailureNotice error={users.error} onRetry={() => void users.refetch()} />}
      {users.isPending && <p className="quiet-text">{t('loading')}</p>}
      {users.data?.length === 0 && <p className="quiet-text">{t('accounts.none')}</p>}
      {users.data && users.data.length > 0 && (
        <Table label={t('accounts.tab.people')} columns={columns} rows={users.data} rowKey={(user) => user.id} />
      )}
      <NewAccount first={users.data?.length === 0} />
    </section>
  )
}
