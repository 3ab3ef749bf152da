import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { post } from '../api/client'
import type { Session } from '../api/types'
import { changeSettings } from '../app/settings'
import { Button, SubmitButton } from '../ui/Button'
import { Field } from '../ui/Field'
import { FailureNotice } from '../words/FailureNotice'
import { useWords } from '../words/useWords'

export function LoginPage() {
  const { t, language } = useWords()
  const navigate = useNavigate()
  const client = useQueryClient()
  const { next } = useSearch({ from: '/login' })
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const login = useMutation({
    mutationFn: () => post<Session>('session', { name, password }),
    onSuccess: async (session) => {
      // Nothing of the person before stays in memory.
      client.clear()
      client.setQueryData(['session'], session)
      await navigate({ href: next ?? '/', replace: true })
    },
    onError: () => setPassword(''),
  })
  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    login.mutate()
  }
  return (
    <div className="login">
      <form onSubmit={onSubmit}>
        <img src="/icon.svg" alt="" width={40} height={40} />
        <h1>Glioscope</h1>
        <Field
          label={t('login.name')}
          autoComplete="username"
          required
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <Field
          label={t('login.password')}
          type="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        {login.error && <FailureNotice error={login.error} />}
        <SubmitButton disabled={login.isPending}>{t('login.title')}</SubmitButton>
        <small className="quiet-text">{t('login.link')}</small>
        <Button
          look="quiet"
          lang={language === 'en' ? 'ko' : 'en'}
          onClick={() => changeSettings({ language: language === 'en' ? 'ko' : 'en' })}
        >
          {language === 'en' ? '한국어' : 'English'}
        </Button>
      </form>
    </div>
  )
}
