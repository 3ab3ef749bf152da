import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { patch } from '../api/client'
import { SubmitButton } from '../ui/Button'
import { Field } from '../ui/Field'
import { Notice } from '../ui/Notice'
import { FailureNotice } from '../words/FailureNotice'
import { useWords } from '../words/useWords'

const empty = { present: '', next: '' }

export function PasswordForm({ user }: { user: string }) {
  const { t } = useWords()
  const [fields, setFields] = useState(empty)
  const change = useMutation({
    mutationFn: () => patch(`users/${user}`, { password: fields.next, present_password: fields.present }),
    onSuccess: () => setFields(empty),
  })
  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    change.mutate()
  }
  return (
    <form className="inline-form" onSubmit={onSubmit} aria-label={t('accounts.password.change')}>
      <h2>{t('accounts.password.change')}</h2>
      <div className="fields">
        <Field
          label={t('accounts.password.present')}
          type="password"
          required
          autoComplete="current-password"
          value={fields.present}
          onChange={(event) => setFields({ ...fields, present: event.target.value })}
        />
        <Field
          label={t('accounts.password.new')}
          type="password"
          required
          minLength={10}
          maxLength={512}
          autoComplete="new-password"
          placeholder={t('accounts.password.note')}
          value={fields.next}
          onChange={(event) => setFields({ ...fields, next: event.target.value })}
        />
        <SubmitButton look="plain" disabled={change.isPending}>
          {t('do.change')}
        </SubmitButton>
      </div>
      {change.error && <FailureNotice error={change.error} />}
      {change.isSuccess && <Notice tone="good">{t('accounts.password.done')}</Notice>}
    </form>
  )
}
