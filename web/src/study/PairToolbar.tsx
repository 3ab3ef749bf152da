import { Link } from '@tanstack/react-router'
import { Camera, ChevronLeft, Link2, Link2Off } from 'lucide-react'
import type { Dispatch } from 'react'
import { changeSettings, useSettings } from '../app/settings'
import { Button, IconButton } from '../ui/Button'
import { PLANES } from '../viewer/space'
import { useWords } from '../words/useWords'
import { type Pair, type PairChange, sharedSequences } from './pair'

interface PairToolbarProps {
  pair: Pair
  dispatch: Dispatch<PairChange>
  onScreenshot: () => void
}

/** Which sequence and plane both show, and whether they move together. */
export function PairToolbar({ pair, dispatch, onScreenshot }: PairToolbarProps) {
  const { t, named } = useWords()
  const { display } = useSettings()
  return (
    <div className="toolbar" role="toolbar" aria-label={t('study.toolbar')}>
      <Link
        to="/"
        className="button quiet icon-only"
        aria-label={t('frame.to_worklist')}
        title={t('frame.to_worklist')}
      >
        <ChevronLeft size={18} />
      </Link>
      <fieldset className="sequence-tabs">
        <legend className="unseen">{t('sequence')}</legend>
        {sharedSequences(pair).map((sequence) => (
          <button
            key={sequence}
            type="button"
            aria-pressed={sequence === pair.sequence}
            onClick={() => dispatch({ kind: 'sequence', sequence })}
          >
            {named(`sequence.${sequence}`)}
          </button>
        ))}
      </fieldset>
      <fieldset className="sequence-tabs">
        <legend className="unseen">{t('compare.plane')}</legend>
        {PLANES.map((plane) => (
          <button
            key={plane}
            type="button"
            aria-pressed={plane === pair.plane}
            onClick={() => dispatch({ kind: 'plane', plane })}
          >
            {named(`plane.${plane}`)}
          </button>
        ))}
      </fieldset>
      <Button
        pressed={pair.linked}
        icon={pair.linked ? <Link2 size={16} /> : <Link2Off size={16} />}
        onClick={() => dispatch({ kind: 'link' })}
      >
        {t('compare.linked')}
      </Button>
      <Button pressed={pair.mask.shown} title="S" onClick={() => dispatch({ kind: 'mask_shown' })}>
        {t('study.mask')}
      </Button>
      <button
        type="button"
        className="button quiet"
        title={t('settings.display')}
        onClick={() => changeSettings({ display: display === 'radiological' ? 'neurological' : 'radiological' })}
      >
        {t(`study.display.${display}`)}
      </button>
      <span className="toolbar-end">
        <IconButton icon={<Camera size={16} />} label={t('study.screenshot')} hint="I" onClick={onScreenshot} />
      </span>
    </div>
  )
}
