import { useShortcuts } from '../ui/shortcuts'
import { useWords } from '../words/useWords'

interface WorklistKeys {
  onChosen: (id: string) => void
  onDelete: ((id: string) => void) | undefined
  onUpload: (() => void) | undefined
  onClear: () => void
}

const lines = () => [...document.querySelectorAll<HTMLElement>('[data-study]')]
const current = () => document.activeElement?.closest<HTMLElement>('[data-study]') ?? null

/** Moves the focus to the next line; the focus is the cursor, so Enter opens and screen readers follow. */
function move(step: number) {
  const all = lines()
  const line = current()
  const at = line === null ? (step > 0 ? -1 : all.length) : all.indexOf(line)
  const next = all[Math.min(Math.max(at + step, 0), all.length - 1)]
  const target = next?.querySelector<HTMLElement>('a.study-link') ?? next?.querySelector('input')
  target?.focus()
  next?.scrollIntoView({ block: 'nearest' })
}

export function useWorklistKeys({ onChosen, onDelete, onUpload, onClear }: WorklistKeys): void {
  const { t } = useWords()
  const withStudy = (act: (id: string) => void) => () => {
    const id = current()?.dataset.study
    if (id !== undefined) act(id)
  }
  useShortcuts(t('frame.worklist'), [
    { keys: 'KeyJ ArrowDown', shown: 'J ↓', does: t('worklist.keys.move'), run: () => move(1) },
    { keys: 'KeyK ArrowUp', shown: 'K ↑', does: t('worklist.keys.move'), run: () => move(-1) },
    { keys: 'Enter', shown: 'Enter', does: t('worklist.keys.open') },
    { keys: 'KeyX', shown: 'X', does: t('worklist.keys.choose'), run: withStudy(onChosen) },
    { keys: 'Escape', shown: 'Esc', does: t('worklist.chosen.none'), run: onClear },
    ...(onUpload ? [{ keys: 'KeyU', shown: 'U', does: t('worklist.keys.upload'), run: onUpload }] : []),
    ...(onDelete ? [{ keys: 'Delete', shown: 'Del', does: t('worklist.keys.delete'), run: withStudy(onDelete) }] : []),
  ])
}
