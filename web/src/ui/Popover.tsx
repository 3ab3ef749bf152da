import { type ReactNode, useRef, useState } from 'react'
import { Button } from './Button'
import { useDismiss } from './useDismiss'

interface PopoverProps {
  label: ReactNode
  /** The tooltip. */
  name?: string
  icon?: ReactNode
  look?: 'plain' | 'quiet'
  /** Marks that something in it is set. */
  active?: boolean
  align?: 'start' | 'end'
  children: ReactNode
}

/** A button that opens a small panel of fields or facts. Escape or a press outside closes it. */
export function Popover({ label, name, icon, look = 'plain', active, align = 'start', children }: PopoverProps) {
  const [open, setOpen] = useState(false)
  const root = useRef<HTMLDivElement>(null)
  useDismiss(root, open, () => setOpen(false))
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: Escape belongs to the panel inside.
    <div
      className="menu"
      ref={root}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !open) return
        setOpen(false)
        root.current?.querySelector('button')?.focus()
      }}
    >
      <Button
        icon={icon}
        look={look}
        className={active ? 'active' : ''}
        aria-expanded={open}
        title={name}
        onClick={() => setOpen(!open)}
      >
        {label}
      </Button>
      {open && <div className={`menu-list panel ${align}`}>{children}</div>}
    </div>
  )
}
