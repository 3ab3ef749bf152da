import { type RefObject, useEffect, useState } from 'react'
import type { PaneSize } from './paneScene'

/** The size of an element in CSS pixels; null before it is measured. */
export function useSize(element: RefObject<HTMLElement | null>): PaneSize | null {
  const [size, setSize] = useState<PaneSize | null>(null)
  useEffect(() => {
    const target = element.current
    if (!target) return
    const observer = new ResizeObserver(([entry]) => {
      if (!entry) return
      const { width, height } = entry.contentRect
      if (width > 0 && height > 0) setSize({ width, height })
    })
    observer.observe(target)
    return () => observer.disconnect()
  }, [element])
  return size
}
