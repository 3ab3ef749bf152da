import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { fill } from './entry'
import { table } from './table'

const HANGUL = /[\uac00-\ud7a3]/
/** Names that Korean readers write in Latin letters too. */
const LATIN = new Set([
  'WT',
  'TC',
  'ET',
  'NCR',
  'ED',
  'T1',
  'T1ce',
  'T2',
  'FLAIR',
  'Dice',
  'HD95',
  'mm',
  'ml',
  'WW',
  'WL',
])
/** Whether a sentence without Hangul holds nothing but such names, values and numbers. */
const isLatin = (ko: string) =>
  (ko.replace(/\{[^}]*\}/g, '').match(/\p{L}[\p{L}\d]*/gu) ?? []).every((word) => LATIN.has(word))
const names = (sentence: string) => new Set([...sentence.matchAll(/\{([a-z_]+)/g)].map((match) => match[1]))

describe('the table of words', () => {
  test.each(Object.entries(table))('%s is said in both languages', (_key, [en, ko]) => {
    expect(en.trim()).not.toBe('')
    expect(en).not.toMatch(HANGUL)
    if (!isLatin(ko)) expect(ko).toMatch(HANGUL)
    expect([...names(ko)].every((name) => names(en).has(name))).toBe(true)
    expect([...names(en)].every((name) => names(ko).has(name))).toBe(true)
  })

  test('sentences are filled in, and English counts', () => {
    expect(fill('{n|1 study|# studies} of {who}', { n: 1, who: 'P-0001' })).toBe('1 study of P-0001')
    expect(fill('{n|1 study|# studies} of {who}', { n: 3, who: 'P-0001' })).toBe('3 studies of P-0001')
  })
})

/** Attributes that a reader sees or hears. */
const SPOKEN = new Set(['title', 'label', 'name', 'alt', 'placeholder', 'aria-label', 'note', 'closeLabel'])
/** Texts that are the same in every language: the program's name, the languages' own names, keys, a format. */
const SAME = new Set([
  'Glioscope',
  'English',
  '한국어',
  'CSV',
  'Esc',
  '/',
  '?',
  '–',
  '…',
  '·',
  '✓',
  ':',
  '(',
  ')',
  ',',
  'mm',
  'ml',
])

/** What stands on a key is the same everywhere too. */
const KEY = /^((Ctrl|Shift|Alt)\+)*([A-Z]|Enter|Esc|Del|Home|End|PgUp|PgDn)$/

const isText = (text: string) =>
  text.trim() !== '' && /\p{L}/u.test(text) && !SAME.has(text.trim()) && !KEY.test(text.trim())

/** The texts of a component that no table holds. */
function untranslated(path: string, source: string): string[] {
  const found: string[] = []
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.ES2022, true, ts.ScriptKind.TSX)
  const visit = (node: ts.Node) => {
    if (ts.isJsxText(node) && isText(node.text)) found.push(`${path}: ${node.text.trim()}`)
    if (
      ts.isJsxAttribute(node) &&
      node.initializer &&
      SPOKEN.has(node.name.getText(file)) &&
      ts.isStringLiteral(node.initializer)
    ) {
      if (isText(node.initializer.text) && !isFormName(node)) found.push(`${path}: ${node.initializer.text}`)
    }
    // {'text'} and {open ? 'text' : other} between tags.
    if (
      ts.isJsxExpression(node) &&
      node.expression &&
      node.parent &&
      (ts.isJsxElement(node.parent) || ts.isJsxFragment(node.parent))
    ) {
      collect(node.expression)
    }
    ts.forEachChild(node, visit)
  }
  const collect = (node: ts.Expression) => {
    if (ts.isStringLiteral(node) && isText(node.text)) found.push(`${path}: ${node.text}`)
    if (ts.isConditionalExpression(node)) {
      collect(node.whenTrue)
      collect(node.whenFalse)
    }
  }
  visit(file)
  return found
}

/** `name` of an input is for the form, not for the reader. */
function isFormName(node: ts.JsxAttribute): boolean {
  const tag = node.parent.parent
  return node.name.getText() === 'name' && /^[a-z]/.test(tag.tagName.getText())
}

describe('components say nothing that the table does not hold', () => {
  const sources = import.meta.glob<string>(['../**/*.tsx', '!../**/*.test.tsx'], {
    query: '?raw',
    import: 'default',
    eager: true,
  })

  test('the scan sees texts, spoken attributes and choices', () => {
    const bad = "const a = <p title='Hello'>Good {x ? 'day' : t('a')}</p>"
    expect(untranslated('a.tsx', bad)).toEqual(['a.tsx: Hello', 'a.tsx: Good', 'a.tsx: day'])
  })

  test('no component holds a sentence of its own', () => {
    expect(Object.keys(sources).length).toBeGreaterThan(30)
    expect(Object.entries(sources).flatMap(([path, source]) => untranslated(path, source))).toEqual([])
  })
})
