import { useEffect, useState } from 'react'
import { flushSync } from 'react-dom'

/** Whether the page is being printed now: what is for paper only is made in that moment, with what is on screen. */
export function usePrinting(): boolean {
  const [printing, setPrinting] = useState(false)
  useEffect(() => {
    const off = new AbortController()
    // The browser takes its picture as soon as the listeners have returned.
    window.addEventListener('beforeprint', () => flushSync(() => setPrinting(true)), { signal: off.signal })
    window.addEventListener('afterprint', () => setPrinting(false), { signal: off.signal })
    return () => off.abort()
  }, [])
  return printing
}
