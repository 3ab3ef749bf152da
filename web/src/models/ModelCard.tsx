import type { Model } from '../api/types'
import { Button } from '../ui/Button'
import { Mark } from '../ui/Notice'
import { Table } from '../ui/Table'
import { useWords } from '../words/useWords'
import { readCard } from './reading'

/** What a model learnt from and what it is worth, as its own file tells. */
export function ModelCard({ model, onActivated }: { model: Model; onActivated: (() => void) | undefined }) {
  const { t, named, number } = useWords()
  const card = readCard(model.card)
  const facts: [label: string, value: string][] = []
  if (card.trainedOn.length > 0 || card.phantoms > 0) {
    const parts = [t('models.learnt.cases', { n: card.trainedOn.length })]
    if (card.phantoms > 0) parts.push(t('models.learnt.phantoms', { n: card.phantoms }))
    facts.push([t('models.learnt'), parts.join(', ')])
  }
  if (card.validatedOn.length > 0)
    facts.push([t('models.validated'), t('models.learnt.cases', { n: card.validatedOn.length })])
  if (card.steps !== null) facts.push([t('models.steps'), number(card.steps)])
  if (card.program !== null) facts.push([t('models.program'), card.program])
  return (
    <article className="model-card" aria-label={model.name}>
      <header>
        <h2>{model.name}</h2>
        {model.active && <Mark tone="good">{t('models.active')}</Mark>}
        {model.embedded && <span className="quiet-text">{t('models.embedded')}</span>}
        {!model.active && onActivated && <Button onClick={onActivated}>{t('models.activate')}</Button>}
      </header>
      <dl className="facts">
        {facts.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {card.scores.length === 0 ? (
        <p className="quiet-text">{t('models.scores.none')}</p>
      ) : (
        <Table
          label={t('models.scores')}
          rows={card.scores}
          rowKey={(score) => `${score.measure} ${score.of} ${score.convention}`}
          columns={[
            { key: 'measure', head: t('models.measure'), cell: (score) => named(`measure.${score.measure}`) },
            { key: 'of', head: t('models.region'), cell: (score) => regionName(score.of, named) },
            {
              key: 'mean',
              head: t('models.mean'),
              numeric: true,
              cell: (score) => number(score.mean, score.measure.startsWith('hd95') ? 1 : 3),
            },
            { key: 'cases', head: t('models.cases'), numeric: true, cell: (score) => number(score.cases) },
            {
              key: 'convention',
              head: t('models.convention'),
              cell: (score) => <span className="quiet-text">{score.convention}</span>,
            },
          ]}
        />
      )}
      {card.trainedOn.length + card.validatedOn.length > 0 && (
        <details className="quiet-text">
          <summary>{t('models.cases_list')}</summary>
          <p>
            {t('models.learnt')}: {card.trainedOn.join(', ') || t('none')}
          </p>
          <p>
            {t('models.validated')}: {card.validatedOn.join(', ') || t('none')}
          </p>
        </details>
      )}
    </article>
  )
}

/** "WT" or "wt" as the field calls it; other names as they are. */
function regionName(of: string, named: (name: string) => string): string {
  const key = of.toLowerCase()
  return ['wt', 'tc', 'et'].includes(key) ? named(`region.${key}`) : of
}
