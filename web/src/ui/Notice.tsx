import { CircleCheck, CircleX, Info, TriangleAlert } from 'lucide-react'
import type { ReactNode } from 'react'

export type Tone = 'note' | 'good' | 'caution' | 'bad'

const icons = { note: Info, good: CircleCheck, caution: TriangleAlert, bad: CircleX }

interface NoticeProps {
  tone: Tone
  children: ReactNode
  /** What the reader can do about it: buttons or links. */
  actions?: ReactNode
}

/** A sentence beside what it is about. Failures are read aloud at once. */
export function Notice({ tone, children, actions }: NoticeProps) {
  const Icon = icons[tone]
  return (
    <div className={`notice ${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
      <Icon size={16} aria-hidden="true" />
      <div className="notice-text">{children}</div>
      {actions !== undefined && <div className="notice-actions">{actions}</div>}
    </div>
  )
}

/** A word with a mark of its own shape, so that nothing is told by colour alone. */
export function Mark({
  tone,
  children,
  title,
}: {
  tone: Tone | 'quiet'
  children: ReactNode
  title?: string | undefined
}) {
  const Icon = tone === 'quiet' ? null : icons[tone]
  return (
    <span className={`mark ${tone}`} title={title}>
      {Icon && <Icon size={14} aria-hidden="true" />}
      {children}
    </span>
  )
}
