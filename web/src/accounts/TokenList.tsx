import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { post, remove } from '../api/client'
import { queries } from '../api/queries'
import type { ApiToken, MadeToken } from '../api/types'
import { Button, SubmitButton } from '../ui/Button'
import { Choice, Field } from '../ui/Field'
import { Notice } from '../ui/Notice'
import { type Column, Table } from '../ui/Table'
import { FailureNotice } from '../words/FailureNotice'
import { useWords } from '../words/useWords'

/** A person's own API tokens. */
export function TokenList() {
  const { t, moment } = useWords()
  const client = useQueryClient()
  const tokens = useQuery(queries.tokens())
  const [name, setName] = useState('')
  const [scope, setScope] = useState<ApiToken['scope']>('read')
  const [days, setDays] = useState('90')
  const refresh = () => client.invalidateQueries({ queryKey: ['tokens'] })
  const make = useMutation({
    mutationFn: () => post<MadeToken>('tokens', { name, scope, days: Number(days) }),
    onSuccess: () => setName(''),
    onSettled: refresh,
  })
  const revoke = useMutation({ mutationFn: (id: string) => remove(`tokens/${id}`), onSettled: refresh })
  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    make.mutate()
  }
  const columns: Column<ApiToken>[] = [
    { key: 'name', head: t('tokens.name'), cell: (token) => token.name },
    { key: 'scope', head: t('tokens.scope'), cell: (token) => t(`tokens.scope.${token.scope}`) },
    { key: 'expires', head: t('tokens.expires'), cell: (token) => moment(token.expires_at) },
    {
      key: 'used',
      head: t('tokens.used'),
      cell: (token) => (token.last_used_at === null ? t('tokens.never') : moment(token.last_used_at)),
    },
    {
      key: 'revoke',
      head: '',
      cell: (token) => (
        <Button look="quiet" onClick={() => revoke.mutate(token.id)}>
          {t('tokens.revoke')}
        </Button>
      ),
    },
  ]
  return (
    <section className="stack">
      <p className="quiet-text">{t('tokens.why')}</p>
      {tokens.error && <FailureNotice error={tokens.error} onRetry={() => void tokens.refetch()} />}
      {revoke.error && <FailureNotice error={revoke.error} />}
      {tokens.data?.length === 0 && <p className="quiet-text">{t('tokens.none')}</p>}
      {tokens.data && tokens.data.length > 0 && (
        <Table label={t('accounts.tab.tokens')} columns={columns} rows={tokens.data} rowKey={(token) => token.id} />
      )}
      {make.data && (
        <Notice
          tone="good"
          actions={<Button onClick={() => void navigator.clipboard.writeText(make.data.secret)}>{t('do.copy')}</Button>}
        >
          {t('tokens.made')}
          <code className="secret">{make.data.secret}</code>
        </Notice>
      )}
      <form className="inline-form" onSubmit={onSubmit} aria-label={t('tokens.new')}>
        <h2>{t('tokens.new')}</h2>
        <div className="fields">
          <Field
            label={t('tokens.name')}
            required
            maxLength={64}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          <Choice
            label={t('tokens.scope')}
            value={scope}
            options={(['read', 'write'] as const).map((one) => ({ value: one, label: t(`tokens.scope.${one}`) }))}
            onChosen={setScope}
          />
          <Field
            label={t('tokens.days')}
            type="number"
            min={1}
            max={366}
            required
            value={days}
            onChange={(event) => setDays(event.target.value)}
          />
          <SubmitButton disabled={make.isPending}>{t('accounts.create')}</SubmitButton>
        </div>
        {make.error && <FailureNotice error={make.error} />}
      </form>
    </section>
  )
}
