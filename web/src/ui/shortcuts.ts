import { useEffect, useRef, useSyncExternalStore } from 'react'
import { settings } from '../app/settings'

export interface Shortcut {
  /** By the key's place, so that it works with a Korean input method on: `KeyJ`, `Shift+Digit1`, `Ctrl+KeyZ`. Several: `KeyJ ArrowDown`. `?` and `/` stand for themselves. */
  keys: string
  /** How the help prints it. */
  shown: string
  does: string
  /** Missing where something else acts on the key and the help only lists it. */
  run?: (event: KeyboardEvent) => void
}

export interface ShortcutGroup {
  title: string
  shortcuts: readonly Shortcut[]
}

type Registered = { current: ShortcutGroup }
let groups: readonly Registered[] = []
const listeners = new Set<() => void>()

function publish(next: readonly Registered[]) {
  groups = next
  for (const listener of listeners) listener()
}

/** `Ctrl+Shift+KeyZ` of an event. Ctrl and the Mac's command key are one. */
export function keysOf(event: KeyboardEvent): string {
  const held = [
    event.ctrlKey || event.metaKey ? 'Ctrl+' : '',
    event.altKey ? 'Alt+' : '',
    event.shiftKey ? 'Shift+' : '',
  ]
  return held.join('') + event.code
}

/** What moves a slider or a choice among radio buttons. */
const MOVES = /^(Arrow|Page|Home|End)/

/** Text fields keep their keys, sliders theirs, buttons and links their Enter and Space; nothing acts under an open dialog or menu. */
function isTaken({ target, code }: KeyboardEvent): boolean {
  if (document.querySelector('dialog[open], [role="menu"]') !== null) return true
  if (!(target instanceof HTMLElement)) return false
  if (['Enter', 'Space'].includes(code) && target.closest('button, a, summary, input') !== null) return true
  if (target.isContentEditable || target.matches('textarea, select')) return true
  if (!(target instanceof HTMLInputElement)) return false
  if (['range', 'radio'].includes(target.type)) return MOVES.test(code)
  return !['checkbox', 'button'].includes(target.type)
}

const isSingle = (keys: string) =>
  !keys.includes('Ctrl+') && !keys.includes('Alt+') && /(Key|Digit|Numpad|Bracket|Slash|Minus|Equal|Space)/.test(keys)

function onKeyDown(event: KeyboardEvent) {
  if (event.defaultPrevented || event.isComposing || isTaken(event)) return
  const keys = keysOf(event)
  if (settings().singleKeys === 'off' && isSingle(keys)) return
  // `?` and `/` lie elsewhere on other keyboards, so the character goes first. The latest registered wins.
  const named = /^[?/]$/.test(event.key) ? find(event.key) : undefined
  const shortcut = named ?? find(keys)
  if (shortcut === undefined) return
  event.preventDefault()
  shortcut.run?.(event)
}

function find(keys: string): Shortcut | undefined {
  const all = groups.flatMap((group) => group.current.shortcuts)
  return all.findLast((shortcut) => shortcut.run !== undefined && shortcut.keys.split(' ').includes(keys))
}

/** Makes the shortcuts work and lists them in the help while the component is on screen. */
export function useShortcuts(title: string, shortcuts: readonly Shortcut[]): void {
  const group = useRef<ShortcutGroup>({ title, shortcuts })
  useEffect(() => {
    group.current = { title, shortcuts }
  })
  useEffect(() => {
    if (groups.length === 0) window.addEventListener('keydown', onKeyDown)
    publish([...groups, group])
    return () => {
      publish(groups.filter((other) => other !== group))
      if (groups.length === 0) window.removeEventListener('keydown', onKeyDown)
    }
  }, [])
}

/** Every shortcut that works now, for the help. */
export function useShortcutGroups(): readonly ShortcutGroup[] {
  const now = useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
    () => groups,
  )
  return now.map((group) => group.current)
}
