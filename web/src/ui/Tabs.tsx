import type { ReactNode } from 'react'

/** A row of links to the parts of a page; the links themselves are the router's. */
export function Tabs({ label, children }: { label: string; children: ReactNode }) {
  return (
    <nav className="tabs" aria-label={label}>
      {children}
    </nav>
  )
}
