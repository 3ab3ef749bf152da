import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { queries } from '../api/queries'
import type { Study } from '../api/types'
import { Notice } from '../ui/Notice'
import { FailureNotice } from '../words/FailureNotice'
import { useWords } from '../words/useWords'
import { PairViewer } from './PairViewer'
import './study.css'
import type { SeenStudy } from './useSide'

/** Two studies of the worklist side by side, the earlier one on the left. */
export function ComparePage({ a, b }: { a: string; b: string }) {
  const { t } = useWords()
  const first = useQuery(queries.study(a))
  const second = useQuery(queries.study(b))
  const failed = [first, second].find((query) => query.error && !query.data)
  if (failed) {
    return (
      <div className="study-wait">
        <FailureNotice error={failed.error} onRetry={() => void failed.refetch()} />
        <Link to="/">{t('frame.to_worklist')}</Link>
      </div>
    )
  }
  if (!first.data || !second.data) return <p className="study-wait">{t('loading')}</p>
  if (!isSeen(first.data) || !isSeen(second.data)) {
    return (
      <div className="study-wait">
        <Notice tone="caution" actions={<Link to="/">{t('frame.to_worklist')}</Link>}>
          {t('compare.empty')}
        </Notice>
      </div>
    )
  }
  const [left, right] = inOrder(first.data, second.data)
  return <PairViewer key={`${left.id} ${right.id}`} left={left} right={right} />
}

function isSeen(study: Study): study is SeenStudy {
  return study.shape !== null && study.spacing !== null && study.series.length > 0
}

/** By date, where both have one. */
function inOrder(a: SeenStudy, b: SeenStudy): readonly [SeenStudy, SeenStudy] {
  return a.date !== null && b.date !== null && a.date > b.date ? [b, a] : [a, b]
}
