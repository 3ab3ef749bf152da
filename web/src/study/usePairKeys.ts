import type { Dispatch } from 'react'
import { type Shortcut, useShortcuts } from '../ui/shortcuts'
import { type Profile, stopsOf } from '../viewer/profile'
import { throughAxis } from '../viewer/space'
import { useWords } from '../words/useWords'
import type { Pair, PairChange } from './pair'

/** The viewer's keys, as far as two studies beside each other have them; they move the left one, and the right one with it. */
export function usePairKeys(
  pair: Pair,
  profile: Profile | null,
  dispatch: Dispatch<PairChange>,
  deeds: { screenshot: () => void },
): void {
  const { t } = useWords()
  const step = (by: number) => () => dispatch({ kind: 'step', side: 0, by })
  const jump = (stop: 'first' | 'last' | 'largest') => () => {
    const stops = profile ? stopsOf(profile[throughAxis(pair.plane)]) : null
    if (stops) dispatch({ kind: 'slice', side: 0, index: stops[stop] })
  }
  const sequences: readonly Shortcut[] = (['t1n', 't1c', 't2w', 't2f'] as const).map((sequence, i) => ({
    keys: `Digit${i + 1} Numpad${i + 1}`,
    shown: `${i + 1}`,
    does: t(`sequence.${sequence}`),
    run: () => dispatch({ kind: 'sequence', sequence }),
  }))
  useShortcuts(t('keys.viewer'), [
    { keys: 'KeyS', shown: 'S', does: t('study.segmentation.toggle'), run: () => dispatch({ kind: 'mask_shown' }) },
    { keys: 'ArrowUp', shown: '↑', does: t('keys.next'), run: step(1) },
    { keys: 'ArrowDown', shown: '↓', does: t('keys.previous'), run: step(-1) },
    { keys: 'PageUp', shown: 'PgUp', does: t('keys.next_ten'), run: step(10) },
    { keys: 'PageDown', shown: 'PgDn', does: t('keys.previous_ten'), run: step(-10) },
    { keys: 'Home', shown: 'Home', does: t('keys.first'), run: jump('first') },
    { keys: 'End', shown: 'End', does: t('keys.last'), run: jump('last') },
    { keys: 'KeyM', shown: 'M', does: t('keys.largest'), run: jump('largest') },
    ...sequences,
    {
      keys: 'KeyA',
      shown: 'A',
      does: t('keys.less_opacity'),
      run: () => dispatch({ kind: 'opacity_by', by: -0.05 }),
    },
    { keys: 'KeyD', shown: 'D', does: t('keys.more_opacity'), run: () => dispatch({ kind: 'opacity_by', by: 0.05 }) },
    { keys: 'KeyO', shown: 'O', does: t('keys.drawing'), run: () => dispatch({ kind: 'next_drawing' }) },
    { keys: 'KeyX', shown: 'X', does: t('keys.crosshair'), run: () => dispatch({ kind: 'crosshair' }) },
    {
      keys: 'Equal Shift+Equal NumpadAdd',
      shown: '+',
      does: t('keys.zoom_in'),
      run: () => dispatch({ kind: 'zoom_by', factor: 1.25 }),
    },
    {
      keys: 'Minus NumpadSubtract',
      shown: '-',
      does: t('keys.zoom_out'),
      run: () => dispatch({ kind: 'zoom_by', factor: 0.8 }),
    },
    { keys: 'Digit0 Numpad0', shown: '0', does: t('keys.fit'), run: () => dispatch({ kind: 'fit' }) },
    { keys: 'KeyI', shown: 'I', does: t('study.screenshot'), run: deeds.screenshot },
  ])
}
