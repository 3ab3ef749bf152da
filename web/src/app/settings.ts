import { useSyncExternalStore } from 'react'

/** What a reader chose once, kept in this browser. Anyone may import this file; it imports nothing of ours. */
export interface Settings {
  language: 'en' | 'ko'
  theme: 'dark' | 'light' | 'system'
  /** Tissue colours: the report's, or the set that colour-blind readers can tell apart. */
  colours: 'report' | 'safe'
  display: 'radiological' | 'neurological'
  /** Shortcuts of one character; switched off by those who dictate. */
  singleKeys: 'on' | 'off'
  mouse: 'itksnap' | 'pacs'
}

const choices: { [K in keyof Settings]: readonly Settings[K][] } = {
  language: ['en', 'ko'],
  theme: ['dark', 'light', 'system'],
  colours: ['report', 'safe'],
  display: ['radiological', 'neurological'],
  singleKeys: ['on', 'off'],
  mouse: ['itksnap', 'pacs'],
}
const KEY = 'glioscope.settings'

function chosen<K extends keyof Settings>(
  from: Partial<Record<keyof Settings, unknown>>,
  key: K,
  otherwise: Settings[K],
) {
  return choices[key].find((choice) => choice === from[key]) ?? otherwise
}

/** Reads stored settings; what is missing or unknown gets its default. */
export function parseSettings(text: string | null, browserLanguage: string): Settings {
  let from: Partial<Record<keyof Settings, unknown>> = {}
  try {
    const value: unknown = JSON.parse(text ?? '{}')
    if (typeof value === 'object' && value !== null) from = value
  } catch {
    // Damaged by hand or by another version: the defaults are a good answer.
  }
  return {
    language: chosen(from, 'language', browserLanguage.startsWith('ko') ? 'ko' : 'en'),
    theme: chosen(from, 'theme', 'dark'),
    colours: chosen(from, 'colours', 'report'),
    display: chosen(from, 'display', 'radiological'),
    singleKeys: chosen(from, 'singleKeys', 'on'),
    mouse: chosen(from, 'mouse', 'itksnap'),
  }
}

const listeners = new Set<() => void>()
let current = parseSettings(stored(), navigator.language)

/** Browsers that keep nothing for a page refuse even the question. */
function stored(): string | null {
  try {
    return localStorage.getItem(KEY)
  } catch {
    return null
  }
}

function publish(next: Settings) {
  current = next
  for (const listener of listeners) listener()
}

/** The settings now, outside of a component. */
export function settings(): Settings {
  return current
}

export function changeSettings(change: Partial<Settings>): void {
  const next = { ...current, ...change }
  try {
    localStorage.setItem(KEY, JSON.stringify(next))
  } catch {
    // They hold until the tab is closed, then.
  }
  publish(next)
}

/** Calls `listener` after each change, in this tab or in another; gives the function that stops it. */
export function onSettings(listener: () => void): () => void {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}

window.addEventListener('storage', (event) => {
  if (event.key === KEY) publish(parseSettings(event.newValue, navigator.language))
})

export function useSettings(): Settings {
  return useSyncExternalStore(onSettings, settings)
}
