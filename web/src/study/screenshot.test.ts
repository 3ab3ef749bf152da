import { expect, it } from 'vitest'
import { linesOf } from './screenshot'

it('breaks a caption between words, so that a narrow picture says all of it', () => {
  const fits = (line: string) => line.length <= 12
  expect(linesOf('Research use only, not a medical device', fits)).toEqual([
    'Research use',
    'only, not a',
    'medical',
    'device',
  ])
  expect(linesOf('영상의학 방식', fits)).toEqual(['영상의학 방식'])
  expect(linesOf('averyverylongpseudonym', fits)).toEqual(['averyverylongpseudonym'])
})
