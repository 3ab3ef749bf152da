import { useQuery } from '@tanstack/react-query'
import { useNavigate, useRouter } from '@tanstack/react-router'
import { Brain, FlaskConical, Plus, Trash2 } from 'lucide-react'
import { queries } from '../api/queries'
import { Button } from '../ui/Button'
import { EmptyState } from '../ui/EmptyState'
import { useWords } from '../words/useWords'
import { type Filter, isNarrowed } from './filter'
import { useDemo } from './useStudies'

/** Why nothing is listed, and what to do about it. */
export function WorklistEmpty({ filter, editor }: { filter: Filter; editor: boolean }) {
  const { t } = useWords()
  const navigate = useNavigate()
  const binned = useQuery({
    ...queries.studies({ bin: 'true', limit: 1 }),
    enabled: !filter.bin && !isNarrowed(filter),
  })
  const inBin = binned.data?.total ?? 0
  const router = useRouter()
  const demo = useDemo((id) => {
    // It takes seconds: who has gone elsewhere meanwhile stays there.
    if (router.state.location.pathname === '/') void navigate({ to: '/studies/$id', params: { id }, search: {} })
  })
  const toList = () => void navigate({ to: '/', search: {} })
  if (isNarrowed(filter)) {
    return (
      <EmptyState
        title={t('worklist.nothing')}
        actions={<Button onClick={toList}>{t('worklist.filter.clear')}</Button>}
      />
    )
  }
  if (filter.bin) {
    return (
      <EmptyState
        icon={<Trash2 size={28} aria-hidden="true" />}
        title={t('worklist.bin.empty')}
        actions={<Button onClick={toList}>{t('worklist.bin.leave')}</Button>}
      />
    )
  }
  return (
    <EmptyState
      icon={<Brain size={32} aria-hidden="true" />}
      title={t('worklist.empty')}
      actions={
        <>
          {editor && (
            <Button
              look="primary"
              icon={<Plus size={16} />}
              onClick={() => void navigate({ to: '/upload', search: {} })}
            >
              {t('worklist.empty.upload')}
            </Button>
          )}
          {editor && (
            <Button icon={<FlaskConical size={16} />} disabled={demo.isPending} onClick={() => demo.mutate()}>
              {t(demo.isPending ? 'worklist.empty.demo.busy' : 'worklist.empty.demo')}
            </Button>
          )}
          {inBin > 0 && (
            <Button icon={<Trash2 size={16} />} onClick={() => void navigate({ to: '/', search: { bin: 'true' } })}>
              {t('worklist.empty.bin', { n: inBin })}
            </Button>
          )}
        </>
      }
    >
      {t('worklist.empty.why')}
    </EmptyState>
  )
}
