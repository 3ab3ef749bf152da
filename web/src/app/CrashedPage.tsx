import { Button } from '../ui/Button'
import { EmptyState } from '../ui/EmptyState'
import { useWords } from '../words/useWords'

/** What is left when a page throws: the cause in its own words, and a way on. */
export function CrashedPage({ error }: { error: unknown }) {
  const { t } = useWords()
  return (
    <EmptyState
      title={t('frame.crashed')}
      actions={
        <>
          <Button look="primary" onClick={() => window.location.reload()}>
            {t('frame.reload')}
          </Button>
          <a href="/" className="button">
            {t('frame.to_worklist')}
          </a>
        </>
      }
    >
      <code>{error instanceof Error ? error.message : String(error)}</code>
    </EmptyState>
  )
}
