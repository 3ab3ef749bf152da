import type { Dispatch } from 'react'
import { Choice } from '../ui/Field'
import type { ColourSet } from '../viewer/palette'
import { cssColour, regionInks, tissueInks } from '../viewer/palette'
import { useWords } from '../words/useWords'
import type { Change, MaskView } from './scene'

interface MaskPanelProps {
  mask: MaskView
  colours: ColourSet
  dispatch: Dispatch<Change>
}

/** How the mask is drawn: opacity, outline or fill, which tissues or regions. */
export function MaskPanel({ mask, colours, dispatch }: MaskPanelProps) {
  const { t, named, percent } = useWords()
  const inks = mask.by === 'tissue' ? tissueInks(colours) : regionInks(colours)
  return (
    <section className="mask-panel" aria-label={t('study.mask')}>
      <label className="opacity">
        <span>{t('study.opacity')}</span>
        <input
          type="range"
          min={0}
          max={100}
          step={5}
          value={Math.round(mask.opacity * 100)}
          onChange={(event) => dispatch({ kind: 'mask', mask: { opacity: Number(event.target.value) / 100 } })}
        />
        <span className="numeric">{percent(mask.opacity)}</span>
      </label>
      <div className="pair">
        <Choice
          label={t('study.drawing')}
          value={mask.drawing}
          options={(['both', 'outline', 'fill'] as const).map((value) => ({
            value,
            label: t(`study.drawing.${value}`),
          }))}
          onChosen={(drawing) => dispatch({ kind: 'mask', mask: { drawing } })}
        />
        <Choice
          label={t('study.by')}
          value={mask.by}
          options={(['tissue', 'region'] as const).map((value) => ({ value, label: t(`study.by.${value}`) }))}
          onChosen={(by) => dispatch({ kind: 'mask', mask: { by } })}
        />
      </div>
      <ul className="inks">
        {inks.map((ink) => {
          const key = `${mask.by}.${ink.key}`
          return (
            <li key={key}>
              <label>
                <input
                  type="checkbox"
                  checked={!mask.hidden.includes(key)}
                  onChange={() => dispatch({ kind: 'hide', key })}
                />
                <svg width="22" height="8" aria-hidden="true">
                  <line
                    x1="0"
                    x2="22"
                    y1="4"
                    y2="4"
                    stroke={cssColour(ink.colour)}
                    strokeWidth="3"
                    strokeDasharray={ink.dash.join(' ')}
                  />
                </svg>
                {named(key)}
              </label>
            </li>
          )
        })}
      </ul>
    </section>
  )
}
