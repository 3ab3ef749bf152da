import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { get } from '../api/client'
import { queries } from '../api/queries'
import type { AuditEntry, AuditVerdict } from '../api/types'
import { Button } from '../ui/Button'
import { Choice } from '../ui/Field'
import { Notice } from '../ui/Notice'
import { type Column, Table } from '../ui/Table'
import { FailureNotice } from '../words/FailureNotice'
import { useWords } from '../words/useWords'

/** Who did what, newest first. */
export function AuditList() {
  const { t, moment } = useWords()
  const [cursor, setCursor] = useState('')
  const [who, setWho] = useState('')
  const audit = useQuery(queries.audit({ limit: 100, cursor, user_key: who }))
  const users = useQuery(queries.users())
  const check = useMutation({ mutationFn: () => get<AuditVerdict>('audit/check') })
  const nameOf = (key: string) => users.data?.find((user) => user.id === key)?.name ?? key
  const columns: Column<AuditEntry>[] = [
    { key: 'at', head: t('audit.at'), cell: (entry) => moment(entry.at) },
    { key: 'who', head: t('audit.who'), cell: (entry) => nameOf(entry.user_key) },
    { key: 'action', head: t('audit.action'), cell: (entry) => <code>{entry.action}</code> },
    {
      key: 'object',
      head: t('audit.object'),
      cell: (entry) => (
        <code title={entry.object_id}>
          {entry.object_kind} {entry.object_id.slice(-8)}
        </code>
      ),
    },
    {
      key: 'detail',
      head: t('audit.detail'),
      cell: (entry) => (
        <code className="audit-detail">{entry.detail === null ? '' : JSON.stringify(entry.detail)}</code>
      ),
    },
  ]
  return (
    <section className="stack">
      <div className="filter-bar">
        <Choice
          label={t('audit.whose')}
          value={who}
          options={[
            { value: '', label: t('audit.everybody') },
            ...(users.data ?? []).map((user) => ({ value: user.id, label: user.name })),
            { value: 'local', label: t('frame.local') },
          ]}
          onChosen={(key) => {
            setWho(key)
            setCursor('')
          }}
        />
        <Button disabled={check.isPending} onClick={() => check.mutate()}>
          {t('audit.check')}
        </Button>
      </div>
      {check.data && (
        <Notice tone={check.data.whole ? 'good' : 'bad'}>
          {check.data.whole
            ? t('audit.whole', { n: check.data.entries })
            : t('audit.broken', { where: check.data.broken ?? '' })}
        </Notice>
      )}
      {check.error && <FailureNotice error={check.error} />}
      {audit.error && <FailureNotice error={audit.error} onRetry={() => void audit.refetch()} />}
      {audit.isPending && <p className="quiet-text">{t('loading')}</p>}
      {audit.data?.items.length === 0 && <p className="quiet-text">{t('audit.none')}</p>}
      {audit.data && audit.data.items.length > 0 && (
        <Table
          label={t('accounts.tab.audit')}
          columns={columns}
          rows={audit.data.items}
          rowKey={(entry) => String(entry.id)}
        />
      )}
      <div className="row-actions">
        {cursor !== '' && <Button onClick={() => setCursor('')}>{t('audit.newest')}</Button>}
        {audit.data?.next && <Button onClick={() => setCursor(audit.data.next ?? '')}>{t('audit.older')}</Button>}
      </div>
    </section>
  )
}
