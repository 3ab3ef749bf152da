import { type ComponentProps, type ReactNode, useId } from 'react'

interface FieldProps extends ComponentProps<'input'> {
  label: string
  note?: ReactNode
}

/** A text field with its label above and, where there is something to say, a note below. */
export function Field({ label, note, ...rest }: FieldProps) {
  const id = useId()
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input id={id} aria-describedby={note === undefined ? undefined : `${id}-note`} {...rest} />
      {note !== undefined && <small id={`${id}-note`}>{note}</small>}
    </div>
  )
}

interface ChoiceProps<T extends string> {
  label: string
  value: T
  options: readonly { value: T; label: string }[]
  onChosen: (value: T) => void
  /** The label is read aloud but not drawn. */
  hideLabel?: boolean
  disabled?: boolean
}

/** One of several, in the browser's own list: it works with every keyboard, finger and reader. */
export function Choice<T extends string>({ label, value, options, onChosen, hideLabel, disabled }: ChoiceProps<T>) {
  const id = useId()
  return (
    <div className="field choice">
      <label htmlFor={id} className={hideLabel ? 'unseen' : undefined}>
        {label}
      </label>
      <select
        id={id}
        value={value}
        disabled={disabled}
        onChange={(event) => {
          const chosen = options.find((option) => option.value === event.target.value)
          if (chosen) onChosen(chosen.value)
        }}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
    </div>
  )
}

interface RadiosProps<T extends string> extends Omit<ChoiceProps<T>, 'hideLabel' | 'disabled'> {
  note?: string
}

/** One of few, all in sight. */
export function Radios<T extends string>({ label, value, options, onChosen, note }: RadiosProps<T>) {
  const name = useId()
  return (
    <fieldset className="radios">
      <legend>{label}</legend>
      {options.map((option) => (
        <label key={option.value}>
          <input type="radio" name={name} checked={option.value === value} onChange={() => onChosen(option.value)} />
          {option.label}
        </label>
      ))}
      {note !== undefined && <small>{note}</small>}
    </fieldset>
  )
}
