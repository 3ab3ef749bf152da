import { expect, test } from 'vitest'
import { changeSettings, parseSettings, settings } from './settings'

test('a fresh browser gets its own language, dark, radiological', () => {
  expect(parseSettings(null, 'ko-KR')).toEqual({
    language: 'ko',
    theme: 'dark',
    colours: 'report',
    display: 'radiological',
    singleKeys: 'on',
    mouse: 'itksnap',
  })
  expect(parseSettings(null, 'de-DE').language).toBe('en')
})

test('what is damaged or unknown falls back to the default, the rest is kept', () => {
  expect(parseSettings('{"theme":"light","mouse":"gloves","language":3}', 'en')).toMatchObject({
    theme: 'light',
    mouse: 'itksnap',
    language: 'en',
  })
  expect(parseSettings('[not json', 'en').theme).toBe('dark')
})

test('a change is kept', () => {
  changeSettings({ colours: 'safe' })
  expect(settings().colours).toBe('safe')
  expect(parseSettings(localStorage.getItem('glioscope.settings'), 'en').colours).toBe('safe')
})
