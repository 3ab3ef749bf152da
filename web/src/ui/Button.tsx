import type { ComponentProps, ReactNode } from 'react'

interface ButtonProps extends Omit<ComponentProps<'button'>, 'type'> {
  icon?: ReactNode
  /** Filled, plain, without a border, or for what destroys. */
  look?: 'primary' | 'plain' | 'quiet' | 'danger'
  /** Pressed or not, for a button that switches something. */
  pressed?: boolean
}

export function Button({ icon, look = 'plain', pressed, className, children, ...rest }: ButtonProps) {
  return (
    <button type="button" className={`button ${look} ${className ?? ''}`} aria-pressed={pressed} {...rest}>
      {icon}
      {children !== undefined && <span className="button-text">{children}</span>}
    </button>
  )
}

interface IconButtonProps extends Omit<ButtonProps, 'children' | 'icon'> {
  icon: ReactNode
  /** Read aloud, and shown as the tooltip. */
  label: string
  /** The key that does the same, for the tooltip. */
  hint?: string
}

/** A button that is only a picture; its label is its tooltip. */
export function IconButton({ icon, label, hint, look = 'quiet', className, ...rest }: IconButtonProps) {
  return (
    <Button
      icon={icon}
      look={look}
      className={`icon-only ${className ?? ''}`}
      aria-label={label}
      title={hint ? `${label} (${hint})` : label}
      {...rest}
    />
  )
}

/** The button that sends a form. */
export function SubmitButton({ look = 'primary', icon, children, ...rest }: ButtonProps) {
  return (
    <button type="submit" className={`button ${look}`} {...rest}>
      {icon}
      <span className="button-text">{children}</span>
    </button>
  )
}
