import type { Language } from './entry'

declare const unit: unique symbol
/** Millilitres and millimetres: numbers that cannot be mistaken for one another. */
export type Ml = number & { readonly [unit]: 'ml' }
export type Mm = number & { readonly [unit]: 'mm' }

export const ml = (value: number): Ml => value as Ml
export const mm = (value: number): Mm => value as Mm

const tag = (language: Language) => (language === 'ko' ? 'ko-KR' : 'en-GB')

export function number(language: Language, value: number, digits: number): string {
  // Avoids "-0.0", which a reader would take for a loss.
  const rounded = Number(value.toFixed(digits)) === 0 ? 0 : value
  return new Intl.NumberFormat(tag(language), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(
    rounded,
  )
}

/** One decimal, two below 1 ml: "84.2 ml", "0.37 ml", "0 ml". */
export function formatMl(language: Language, value: Ml): string {
  const digits = value === 0 ? 0 : Math.abs(value) < 1 && Math.abs(value) < 0.995 ? 2 : 1
  return `${number(language, value, digits)} ml`
}

export function formatMlChange(language: Language, value: Ml): string {
  const text = formatMl(language, value)
  return value > 0 && !text.startsWith('0 ') ? `+${text}` : text.replace('-', '−')
}

/** Whole millimetres from 10 mm, one decimal below. */
export function formatMm(language: Language, value: Mm): string {
  return `${number(language, value, Math.abs(value) < 10 ? 1 : 0)} mm`
}

export function formatBytes(language: Language, bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const [size, name] = bytes < 1e6 ? [bytes / 1e3, 'kB'] : bytes < 1e9 ? [bytes / 1e6, 'MB'] : [bytes / 1e9, 'GB']
  return `${number(language, size, size < 10 ? 1 : 0)} ${name}`
}

export function formatPercent(language: Language, share: number): string {
  return `${number(language, Math.floor(Math.min(Math.max(share, 0), 1) * 100), 0)} %`
}

/** A calendar day (YYYY-MM-DD), which belongs to no time zone. */
export function formatDay(language: Language, day: string): string {
  const date = new Date(`${day}T00:00:00Z`)
  if (Number.isNaN(date.getTime())) return day
  return new Intl.DateTimeFormat(tag(language), { dateStyle: 'medium', timeZone: 'UTC' }).format(date)
}

/** A moment in the reader's own time zone. */
export function formatMoment(language: Language, moment: string): string {
  const date = new Date(moment)
  if (Number.isNaN(date.getTime())) return moment
  return new Intl.DateTimeFormat(tag(language), { dateStyle: 'medium', timeStyle: 'short', hourCycle: 'h23' }).format(
    date,
  )
}
