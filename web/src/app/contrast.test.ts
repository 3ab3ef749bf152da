import { describe, expect, test } from 'vitest'
import css from './theme.css?raw'

type Tokens = Record<string, string>

function tokens(selector: string): Tokens {
  const at = css.indexOf(`${selector} {`)
  const block = css.slice(at, css.indexOf('}', at))
  return Object.fromEntries(
    [...block.matchAll(/--([a-z-]+): (#[0-9a-f]{6})/g)].map((match) => [match[1] ?? '', match[2] ?? '']),
  )
}

/** WCAG 2.2, relative luminance. */
function luminance(colour: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((i) => {
    const c = Number.parseInt(colour.slice(i, i + 2), 16) / 255
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

function contrast(a: string, b: string): number {
  const [light = 0, dark = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x)
  return (light + 0.05) / (dark + 0.05)
}

const dark = tokens(':root')
const light = { ...dark, ...tokens(':root[data-theme="light"]') }

describe.each([
  ['dark', dark],
  ['light', light],
])('%s', (_name, theme) => {
  const of = (name: string) => theme[name] ?? ''

  test.each(
    ['text', 'quiet', 'accent', 'good', 'caution', 'bad'].flatMap((ink) =>
      ['ground', 'panel', 'raised', 'chosen'].map((ground) => [ink, ground] as const),
    ),
  )('%s on %s reads at 4.5 : 1', (ink, ground) => {
    expect(contrast(of(ink), of(ground))).toBeGreaterThanOrEqual(4.5)
  })

  test('ink on the accent reads at 4.5 : 1', () => {
    expect(contrast(of('on-accent'), of('accent'))).toBeGreaterThanOrEqual(4.5)
  })

  test.each(['ground', 'panel', 'raised'])('borders of controls and the focus stand out from %s at 3 : 1', (ground) => {
    expect(contrast(of('border'), of(ground))).toBeGreaterThanOrEqual(3)
    expect(contrast(of('accent'), of(ground))).toBeGreaterThanOrEqual(3)
  })
})
