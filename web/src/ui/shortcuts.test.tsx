import { cleanup, render } from '@testing-library/react'
import { afterEach, expect, test } from 'vitest'
import { changeSettings } from '../app/settings'
import { useShortcuts } from './shortcuts'

afterEach(() => {
  cleanup()
  changeSettings({ singleKeys: 'on' })
})

function Keys({ heard }: { heard: string[] }) {
  useShortcuts('Test', [
    { keys: 'KeyJ ArrowDown', shown: 'J', does: '', run: () => heard.push('j') },
    { keys: 'Ctrl+KeyZ', shown: 'Ctrl+Z', does: '', run: () => heard.push('undo') },
  ])
  return (
    <>
      <input data-testid="field" />
      <input data-testid="slider" type="range" />
    </>
  )
}

function press(target: EventTarget, code: string, change: KeyboardEventInit = {}) {
  target.dispatchEvent(new KeyboardEvent('keydown', { code, bubbles: true, cancelable: true, ...change }))
}

test('keys go by their place, so that a Korean input method does not stop them', () => {
  const heard: string[] = []
  render(<Keys heard={heard} />)
  press(document.body, 'KeyJ', { key: 'ㅓ' })
  press(document.body, 'ArrowDown')
  press(document.body, 'KeyZ', { metaKey: true })
  press(document.body, 'KeyJ', { shiftKey: true })
  expect(heard).toEqual(['j', 'j', 'undo'])
})

test('a text field keeps its keys', () => {
  const heard: string[] = []
  const { getByTestId } = render(<Keys heard={heard} />)
  press(getByTestId('field'), 'KeyJ')
  expect(heard).toEqual([])
})

test('a slider keeps the keys that move it, and leaves the letters', () => {
  const heard: string[] = []
  const { getByTestId } = render(<Keys heard={heard} />)
  press(getByTestId('slider'), 'ArrowDown')
  expect(heard).toEqual([])
  press(getByTestId('slider'), 'KeyJ')
  expect(heard).toEqual(['j'])
})

test('nothing acts under an open menu', () => {
  const heard: string[] = []
  const menu = document.createElement('div')
  menu.setAttribute('role', 'menu')
  document.body.append(menu)
  render(<Keys heard={heard} />)
  press(document.body, 'KeyJ')
  expect(heard).toEqual([])
  menu.remove()
})

test('single keys can be switched off; arrows and Ctrl stay', () => {
  const heard: string[] = []
  render(<Keys heard={heard} />)
  changeSettings({ singleKeys: 'off' })
  press(document.body, 'KeyJ')
  press(document.body, 'ArrowDown')
  press(document.body, 'KeyZ', { ctrlKey: true })
  expect(heard).toEqual(['j', 'undo'])
})
