import { X } from 'lucide-react'
import { useSyncExternalStore } from 'react'
import { Button, IconButton } from './Button'

export interface Toast {
  text: string
  tone?: 'note' | 'bad'
  /** Undo, most of the time. */
  action?: { label: string; run: () => void }
}

type Shown = Toast & { id: number }
let toasts: readonly Shown[] = []
let last = 0
const listeners = new Set<() => void>()

function publish(next: readonly Shown[]) {
  toasts = next
  for (const listener of listeners) listener()
}

function dismiss(id: number) {
  publish(toasts.filter((toast) => toast.id !== id))
}

/** Says what happened at the foot of the page for ten seconds, with the way back. */
export function toast(message: Toast): void {
  last += 1
  const id = last
  publish([...toasts.slice(-2), { ...message, id }])
  setTimeout(() => dismiss(id), 10_000)
}

export function Toasts({ closeLabel }: { closeLabel: string }) {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
    () => toasts,
  )
  return (
    <div className="toasts" aria-live="polite">
      {shown.map((message) => (
        <div key={message.id} className={`toast ${message.tone ?? 'note'}`}>
          <span>{message.text}</span>
          {message.action && (
            <Button
              onClick={() => {
                message.action?.run()
                dismiss(message.id)
              }}
            >
              {message.action.label}
            </Button>
          )}
          <IconButton icon={<X size={14} />} label={closeLabel} onClick={() => dismiss(message.id)} />
        </div>
      ))}
    </div>
  )
}
