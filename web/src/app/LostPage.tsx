import { Link } from '@tanstack/react-router'
import { EmptyState } from '../ui/EmptyState'
import { useWords } from '../words/useWords'

export function LostPage() {
  const { t } = useWords()
  return (
    <EmptyState
      title={t('frame.lost')}
      actions={
        <Link to="/" className="button primary">
          {t('frame.to_worklist')}
        </Link>
      }
    />
  )
}
