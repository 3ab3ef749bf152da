import { useEffect } from 'react'
import { placeOf } from './place'
import type { Scene } from './scene'

const REST = 300

/** Keeps the address at the place on screen: replaced, not pushed, when the reader has rested for a moment. */
export function usePlace(scene: Scene): void {
  const place = placeOf(scene)
  useEffect(() => {
    const rest = setTimeout(() => {
      if (window.location.search === `?${place}`) return
      window.history.replaceState(window.history.state, '', `${window.location.pathname}?${place}`)
    }, REST)
    return () => clearTimeout(rest)
  }, [place])
}
