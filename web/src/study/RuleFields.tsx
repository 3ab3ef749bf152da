import { Choice, Field } from '../ui/Field'
import type { Over, PaintRule } from '../viewer/edit/rule'
import { useWords } from '../words/useWords'

interface RuleFieldsProps {
  rule: PaintRule
  onRule: (rule: PaintRule) => void
}

const OVERS: readonly (readonly [string, Over])[] = [
  ['everything', 'everything'],
  ['background', 'background'],
  ['ncr', 1],
  ['ed', 2],
  ['et', 3],
]

/** Where the brush may paint: over what, and between which intensities of the sequence on screen. */
export function RuleFields({ rule, onRule }: RuleFieldsProps) {
  const { t, named } = useWords()
  const chosen = OVERS.find(([, over]) => over === rule.over)?.[0] ?? 'everything'
  const options = OVERS.map(([value, over]) => ({
    value,
    label:
      typeof over === 'number'
        ? t('study.over.tissue', { tissue: named(`tissue.${value}`) })
        : named(`study.over.${value}`),
  }))
  return (
    <>
      <Choice
        label={t('study.over')}
        value={chosen}
        options={options}
        onChosen={(value) => onRule({ ...rule, over: OVERS.find(([key]) => key === value)?.[1] ?? 'everything' })}
      />
      <div className="pair">
        <Field
          label={t('study.above')}
          type="number"
          value={rule.above ?? ''}
          onChange={(event) => onRule({ ...rule, above: bound(event.target.value) })}
        />
        <Field
          label={t('study.below')}
          type="number"
          value={rule.below ?? ''}
          onChange={(event) => onRule({ ...rule, below: bound(event.target.value) })}
        />
      </div>
    </>
  )
}

function bound(text: string): number | null {
  const value = Number(text)
  return text.trim() === '' || !Number.isFinite(value) ? null : value
}
