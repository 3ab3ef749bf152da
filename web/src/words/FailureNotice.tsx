import { Button } from '../ui/Button'
import { Notice } from '../ui/Notice'
import { useFailure } from './useFailure'
import { useWords } from './useWords'

/** The failed state of a panel: sentence, cause, and the button that tries again. */
export function FailureNotice({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useWords()
  const { sentence, detail } = useFailure()(error)
  return (
    <Notice tone="bad" actions={onRetry && <Button onClick={onRetry}>{t('do.retry')}</Button>}>
      {sentence}
      {detail !== null && <small>{detail}</small>}
    </Notice>
  )
}
