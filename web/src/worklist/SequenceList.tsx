import type { SequenceKey } from '../api/types'
import { useWords } from '../words/useWords'

const all: readonly SequenceKey[] = ['t1n', 't1c', 't2w', 't2f']

/** The four sequences in one order; one that is missing leaves a dash in its place. */
export function SequenceList({ present }: { present: readonly SequenceKey[] }) {
  const { t } = useWords()
  return (
    <span className="sequences">
      {all.map((sequence) =>
        present.includes(sequence) ? (
          <span key={sequence}>{t(`sequence.${sequence}`)}</span>
        ) : (
          <span key={sequence} className="missing" title={t('worklist.missing', { what: t(`sequence.${sequence}`) })}>
            –
          </span>
        ),
      )}
    </span>
  )
}
