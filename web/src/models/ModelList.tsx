import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Plus } from 'lucide-react'
import { useRef } from 'react'
import { patch, sendBytes } from '../api/client'
import { queries } from '../api/queries'
import type { Model } from '../api/types'
import { useRole } from '../api/useRole'
import { Button } from '../ui/Button'
import { toast } from '../ui/Toasts'
import { FailureNotice } from '../words/FailureNotice'
import { useWords } from '../words/useWords'
import { ModelCard } from './ModelCard'

export function ModelList() {
  const { t } = useWords()
  const client = useQueryClient()
  const models = useQuery(queries.models())
  const admin = useRole() === 'admin'
  const file = useRef<HTMLInputElement>(null)
  const refresh = () => client.invalidateQueries({ queryKey: ['models'] })
  const activate = useMutation({
    mutationFn: (model: Model) => patch(`models/${model.id}`, { active: true }),
    onSuccess: (_, model) => toast({ text: t('models.activated', { name: model.name }) }),
    onSettled: refresh,
  })
  const add = useMutation({
    mutationFn: (weights: File) => sendBytes<Model>('POST', 'models', weights),
    onSettled: refresh,
  })
  return (
    <section className="stack">
      {models.error && <FailureNotice error={models.error} onRetry={() => void models.refetch()} />}
      {models.isPending && <p className="quiet-text">{t('loading')}</p>}
      {models.data?.length === 0 && <p className="quiet-text">{t('models.none')}</p>}
      {activate.error && <FailureNotice error={activate.error} />}
      {models.data?.map((model) => (
        <ModelCard key={model.id} model={model} onActivated={admin ? () => activate.mutate(model) : undefined} />
      ))}
      {admin && (
        <div className="row-actions">
          <Button icon={<Plus size={14} />} disabled={add.isPending} onClick={() => file.current?.click()}>
            {add.isPending ? t('models.adding') : t('models.add')}
          </Button>
          <input
            ref={file}
            type="file"
            hidden
            accept=".safetensors"
            aria-label={t('models.add')}
            onChange={(event) => {
              const chosen = event.currentTarget.files?.[0]
              if (chosen) add.mutate(chosen)
              event.currentTarget.value = ''
            }}
          />
        </div>
      )}
      {add.error && <FailureNotice error={add.error} />}
    </section>
  )
}
