import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import { Button } from './Button'
import { useDismiss } from './useDismiss'

export interface MenuItem {
  key: string
  label: string
  icon?: ReactNode
  hint?: string
  /** For a choice among others: chosen or not. */
  chosen?: boolean
  disabled?: boolean
  onChosen: () => void
}

interface MenuProps {
  /** What the button shows; its name where that is only a picture. */
  label: ReactNode
  name?: string
  icon?: ReactNode
  look?: 'plain' | 'quiet' | 'primary'
  items: readonly MenuItem[]
  disabled?: boolean
  align?: 'start' | 'end'
}

/** A button that opens a list of actions. Arrows move, Escape closes, letters are left to the shortcuts' owner. */
export function Menu({ label, name, icon, look = 'plain', items, disabled, align = 'start' }: MenuProps) {
  const [open, setOpen] = useState(false)
  const root = useRef<HTMLDivElement>(null)
  useDismiss(root, open, () => setOpen(false))
  useEffect(() => {
    if (open) root.current?.querySelector<HTMLElement>('[role^="menuitem"]:not(:disabled)')?.focus()
  }, [open])

  const close = () => {
    setOpen(false)
    root.current?.querySelector('button')?.focus()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (!open) return
    if (event.key === 'Escape') {
      event.stopPropagation()
      close()
    }
    if (event.key === 'Tab') setOpen(false)
    const entries = [...(root.current?.querySelectorAll<HTMLElement>('[role^="menuitem"]:not(:disabled)') ?? [])]
    const at = entries.findIndex((entry) => entry.contains(document.activeElement))
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    const to =
      event.key === 'Home'
        ? 0
        : event.key === 'End'
          ? entries.length - 1
          : step
            ? (at + step + entries.length) % entries.length
            : null
    if (to !== null) {
      event.preventDefault()
      entries[to]?.focus()
    }
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the keys belong to the menu inside.
    <div className="menu" ref={root} onKeyDown={onKeyDown}>
      <Button
        icon={icon}
        look={look}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-label={name}
        title={name}
        disabled={disabled}
        onClick={() => setOpen(!open)}
      >
        {label}
      </Button>
      {open && (
        <div className={`menu-list ${align}`} role="menu" aria-label={name}>
          {items.map((item) => (
            <button
              key={item.key}
              type="button"
              {...(item.chosen === undefined
                ? { role: 'menuitem' }
                : { role: 'menuitemradio', 'aria-checked': item.chosen })}
              disabled={item.disabled}
              tabIndex={-1}
              onClick={() => {
                close()
                item.onChosen()
              }}
            >
              <span className="menu-icon">{item.chosen === undefined ? item.icon : item.chosen ? '✓' : ''}</span>
              <span>{item.label}</span>
              {item.hint !== undefined && <kbd>{item.hint}</kbd>}
            </button>
          ))}
        </div>
      )}
    </div>
  )
}
