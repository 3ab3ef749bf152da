import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { queries } from '../api/queries'
import type { SegmentationRow, Volumes } from '../api/types'
import { Button } from '../ui/Button'
import { Dialog } from '../ui/Dialog'
import { Mark } from '../ui/Notice'
import { isKey, useWords } from '../words/useWords'
import { Facts } from './Facts'
import { RegionPanel } from './RegionPanel'
import { confidenceOf, diametersOf } from './report'

interface ResultPanelProps {
  row: SegmentationRow
  /** Volumes after the reader's edits; null while nothing is edited. */
  edited: Volumes | null
}

/** The numbers of a version, its warnings in words, and how far they can be relied on. */
export function ResultPanel({ row, edited }: ResultPanelProps) {
  const words = useWords()
  const [card, setCard] = useState(false)
  const confidence = confidenceOf(row.confidence)
  const diameters = diametersOf(row.diameters_mm)
  return (
    <section aria-label={words.t('study.result')}>
      <RegionPanel ml={edited ?? row.ml} before={edited ? row.ml : null} />
      <p className="facts">
        {words.t('study.lesions', { n: row.components.wt })}
        {diameters.map(({ key, mm }) => (
          <span key={key} className="numeric">
            {words.t('study.diameter', { what: words.named(`region.${key}.short`), mm: words.mm(mm) })}
          </span>
        ))}
      </p>
      <p className="facts">
        {words.t('study.confidence')}{' '}
        <Mark
          tone={confidence.level === 'no_warning' ? 'good' : confidence.level === 'not_assessed' ? 'quiet' : 'caution'}
          title={confidence.reason ?? undefined}
        >
          {words.named(`study.confidence.${confidence.level}`)}
        </Mark>
        {row.model && (
          <Button look="quiet" onClick={() => setCard(true)}>
            {words.t('study.model', { name: row.model.name })}
          </Button>
        )}
      </p>
      {row.warnings.length === 0 ? (
        <p className="facts quiet-text">{words.t('study.no_warnings')}</p>
      ) : (
        <ul className="warnings">
          {row.warnings.map((warning) => (
            <li key={warning.code}>
              <Mark tone="caution" title={warning.text}>
                {warningText(words, warning)}
              </Mark>
            </li>
          ))}
        </ul>
      )}
      {card && row.model && <ModelCard id={row.model.id} onClose={() => setCard(false)} />}
    </section>
  )
}

/** The server's own sentence, with its numbers; in Korean the table's. */
function warningText(words: ReturnType<typeof useWords>, warning: { code: string; text: string }): string {
  const key = `study.warning.${warning.code}`
  return words.language === 'ko' && isKey(key) ? words.named(key) : sentenceOf(warning.text)
}

function sentenceOf(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function ModelCard({ id, onClose }: { id: string; onClose: () => void }) {
  const { t } = useWords()
  const models = useQuery(queries.models())
  const model = models.data?.find((one) => one.id === id)
  return (
    <Dialog title={model?.name ?? t('study.model_card')} closeLabel={t('do.close')} onClose={onClose}>
      {models.isPending && <p>{t('loading')}</p>}
      {models.isError && <p>{t('study.model_card.missing')}</p>}
      {model && <Facts facts={model.card} />}
    </Dialog>
  )
}
