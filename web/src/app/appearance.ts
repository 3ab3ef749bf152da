import { useEffect } from 'react'
import { onSettings, settings, useSettings } from './settings'

const prefersLight = () => window.matchMedia('(prefers-color-scheme: light)')

/** Writes theme, colours and language where the style sheets and screen readers look for them. */
export function applyAppearance(): void {
  const { theme, colours, language } = settings()
  const root = document.documentElement
  root.dataset.theme = theme === 'system' ? (prefersLight().matches ? 'light' : 'dark') : theme
  root.dataset.colours = colours
  root.lang = language
}

/** Keeps the document's look as the settings say. */
export function followAppearance(): () => void {
  applyAppearance()
  const system = prefersLight()
  system.addEventListener('change', applyAppearance)
  const stop = onSettings(applyAppearance)
  return () => {
    system.removeEventListener('change', applyAppearance)
    stop()
  }
}

export function useAppearance(): void {
  useEffect(followAppearance, [])
}

/** Whether the page is dark now, the system's wish counted in. */
export function useIsDark(): boolean {
  const { theme } = useSettings()
  return theme === 'system' ? !prefersLight().matches : theme === 'dark'
}
