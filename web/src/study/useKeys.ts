import { type Dispatch, useEffect } from 'react'
import { type Shortcut, useShortcuts } from '../ui/shortcuts'
import type { Profile } from '../viewer/profile'
import { stopsOf } from '../viewer/profile'
import { type Convention, mirrored, paneAxes, throughAxis, type Vec3, withAxis } from '../viewer/space'
import { useWords } from '../words/useWords'
import type { Change, Scene } from './scene'

export interface KeyDeeds {
  segmentation: () => void
  preset: (preset: number) => void
  undo: () => void
  redo: () => void
  save: () => void
  accept: () => void
  screenshot: () => void
  fullScreen: () => void
}

export interface Keyed {
  scene: Scene
  profile: Profile | null
  convention: Convention
  mayEdit: boolean
  /** Whether there are two versions to compare. */
  comparable: boolean
}

/** The viewer's keys, by their place on the keyboard. They are listed in the help as they stand here. */
export function useKeys(keyed: Keyed, dispatch: Dispatch<Change>, deeds: KeyDeeds): void {
  const { t } = useWords()
  useShortcuts(t('keys.viewer'), shortcutsOf(keyed, dispatch, deeds, t))
  useBlink(dispatch)
}

function shortcutsOf(
  { scene, profile, convention, mayEdit, comparable }: Keyed,
  dispatch: Dispatch<Change>,
  deeds: KeyDeeds,
  t: ReturnType<typeof useWords>['t'],
): readonly Shortcut[] {
  const { plane, sequences } = scene
  const step = (by: number) => () => dispatch({ kind: 'step', plane, by })
  const tool = (name: Scene['tool']) => () => dispatch({ kind: 'tool', tool: name })
  const jump = (stop: 'first' | 'last' | 'largest') => () => {
    const stops = profile ? stopsOf(profile[throughAxis(plane)]) : null
    if (stops) dispatch({ kind: 'slice', plane, index: stops[stop] })
  }
  const nudge = (u: number, v: number) => () =>
    dispatch({ kind: 'cursor', at: nudged(scene, mirrored(plane, convention) ? -u : u, v) })
  const editing: readonly Shortcut[] = [
    { keys: 'KeyP', shown: 'P', does: t('keys.brush'), run: tool('brush') },
    { keys: 'KeyE', shown: 'E', does: t('keys.eraser'), run: tool('eraser') },
    { keys: 'KeyG', shown: 'G', does: t('keys.fill'), run: tool('fill') },
    { keys: 'KeyC', shown: 'C', does: t('keys.pick'), run: tool('pick') },
    { keys: 'BracketLeft', shown: '[', does: t('keys.smaller'), run: () => dispatch({ kind: 'brush_size', step: -1 }) },
    { keys: 'BracketRight', shown: ']', does: t('keys.larger'), run: () => dispatch({ kind: 'brush_size', step: 1 }) },
    { keys: 'Ctrl+KeyZ', shown: 'Ctrl Z', does: t('study.undo'), run: deeds.undo },
    { keys: 'Ctrl+Shift+KeyZ Ctrl+KeyY', shown: 'Ctrl Shift Z', does: t('study.redo'), run: deeds.redo },
    { keys: 'Ctrl+KeyS', shown: 'Ctrl S', does: t('study.save_version'), run: deeds.save },
    { keys: 'Ctrl+Enter', shown: 'Ctrl Enter', does: t('study.accept'), run: deeds.accept },
  ]
  const sequenceKeys = (['t1n', 't1c', 't2w', 't2f'] as const).map((sequence, i) => ({
    keys: `Digit${i + 1} Numpad${i + 1}`,
    shown: `${i + 1}`,
    does: t(`sequence.${sequence}`),
    run: () => sequences.includes(sequence) && dispatch({ kind: 'sequence', sequence }),
  }))
  return [
    { keys: 'KeyS', shown: 'S', does: t('keys.segmentation'), run: deeds.segmentation },
    { keys: 'ArrowUp', shown: '↑', does: t('keys.next'), run: step(1) },
    { keys: 'ArrowDown', shown: '↓', does: t('keys.previous'), run: step(-1) },
    { keys: 'PageUp', shown: 'PgUp', does: t('keys.next_ten'), run: step(10) },
    { keys: 'PageDown', shown: 'PgDn', does: t('keys.previous_ten'), run: step(-10) },
    { keys: 'Home', shown: 'Home', does: t('keys.first'), run: jump('first') },
    { keys: 'End', shown: 'End', does: t('keys.last'), run: jump('last') },
    { keys: 'KeyM', shown: 'M', does: t('keys.largest'), run: jump('largest') },
    { keys: 'Shift+ArrowLeft', shown: 'Shift ←', does: t('keys.left'), run: nudge(-1, 0) },
    { keys: 'Shift+ArrowRight', shown: 'Shift →', does: t('keys.right'), run: nudge(1, 0) },
    { keys: 'Shift+ArrowUp', shown: 'Shift ↑', does: t('keys.up'), run: nudge(0, 1) },
    { keys: 'Shift+ArrowDown', shown: 'Shift ↓', does: t('keys.down'), run: nudge(0, -1) },
    ...sequenceKeys,
    { keys: 'KeyQ', shown: 'Q', does: t('keys.next_sequence'), run: () => dispatch({ kind: 'next_sequence' }) },
    { keys: 'KeyB', shown: 'B', does: t('keys.blink'), run: () => dispatch({ kind: 'blink', on: true }) },
    { keys: 'KeyA', shown: 'A', does: t('keys.less_opacity'), run: () => dispatch({ kind: 'opacity_by', by: -0.05 }) },
    { keys: 'KeyD', shown: 'D', does: t('keys.more_opacity'), run: () => dispatch({ kind: 'opacity_by', by: 0.05 }) },
    { keys: 'KeyO', shown: 'O', does: t('keys.drawing'), run: () => dispatch({ kind: 'next_drawing' }) },
    { keys: 'KeyX', shown: 'X', does: t('keys.crosshair'), run: () => dispatch({ kind: 'crosshair' }) },
    {
      keys: 'KeyV',
      shown: 'V',
      does: t('keys.layout'),
      run: () => dispatch({ kind: 'next_layout', but: comparable ? undefined : 'compare' }),
    },
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
    { keys: 'KeyW', shown: 'W', does: t('keys.window'), run: tool('window') },
    ...[1, 2, 3, 4].map((preset) => ({
      keys: `Shift+Digit${preset}`,
      shown: `Shift ${preset}`,
      does: t('keys.preset', { n: preset }),
      run: () => deeds.preset(preset),
    })),
    { keys: 'Shift+Digit0', shown: 'Shift 0', does: t('keys.preset_reset'), run: () => deeds.preset(0) },
    { keys: 'KeyL', shown: 'L', does: t('keys.ruler'), run: tool('ruler') },
    { keys: 'Escape', shown: 'Esc', does: t('keys.escape'), run: () => dispatch({ kind: 'tool', tool: 'cursor' }) },
    ...(mayEdit ? editing : []),
    { keys: 'KeyI', shown: 'I', does: t('study.screenshot'), run: deeds.screenshot },
    { keys: 'KeyF', shown: 'F', does: t('study.full_screen'), run: deeds.fullScreen },
    { keys: 'KeyH', shown: 'H', does: t('study.panels'), run: () => dispatch({ kind: 'panels' }) },
  ]
}

/** The crosshair a voxel further along the axes of the scene's plane. */
function nudged({ cursor, plane }: Scene, u: number, v: number): Vec3 {
  const [across, along] = paneAxes(plane)
  return withAxis(withAxis(cursor, across, cursor[across] + u), along, cursor[along] + v)
}

/** While B is held, the other sequence is shown; letting go, or leaving the window, ends it. */
function useBlink(dispatch: Dispatch<Change>): void {
  useEffect(() => {
    const off = new AbortController()
    const stop = () => dispatch({ kind: 'blink', on: false })
    window.addEventListener('keyup', (event) => event.code === 'KeyB' && stop(), { signal: off.signal })
    window.addEventListener('blur', stop, { signal: off.signal })
    return () => off.abort()
  }, [dispatch])
}
