import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { post } from '../api/client'
import type { Role, User } from '../api/types'
import { SubmitButton } from '../ui/Button'
import { Choice, Field } from '../ui/Field'
import { FailureNotice } from '../words/FailureNotice'
import { useWords } from '../words/useWords'
import { roles } from './PeopleList'

const nobody = { name: '', password: '' }

export function NewAccount({ first }: { first: boolean }) {
  const { t } = useWords()
  const client = useQueryClient()
  const [fields, setFields] = useState(nobody)
  const [wanted, setRole] = useState<Role>('editor')
  // The first account must be an administrator, so nothing else is offered.
  const role = first ? 'admin' : wanted
  const create = useMutation({
    mutationFn: () => post<User>('users', { ...fields, role }),
    onSuccess: async () => {
      setFields(nobody)
      await client.invalidateQueries({ queryKey: ['users'] })
      await client.invalidateQueries({ queryKey: ['session'] })
    },
  })
  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    create.mutate()
  }
  return (
    <form className="inline-form" onSubmit={onSubmit} aria-label={t('accounts.new')}>
      <h2>{t('accounts.new')}</h2>
      <div className="fields">
        <Field
          label={t('login.name')}
          required
          maxLength={64}
          autoComplete="off"
          value={fields.name}
          onChange={(event) => setFields({ ...fields, name: event.target.value })}
        />
        <Field
          label={t('login.password')}
          type="password"
          required
          minLength={10}
          maxLength={512}
          autoComplete="new-password"
          placeholder={t('accounts.password.note')}
          value={fields.password}
          onChange={(event) => setFields({ ...fields, password: event.target.value })}
        />
        <Choice
          label={t('accounts.role')}
          value={role}
          disabled={first}
          options={roles.map((one) => ({ value: one, label: `${t(`role.${one}`)}: ${t(`role.${one}.may`)}` }))}
          onChosen={setRole}
        />
        <SubmitButton disabled={create.isPending}>{t('accounts.create')}</SubmitButton>
      </div>
      {create.error && <FailureNotice error={create.error} />}
    </form>
  )
}
