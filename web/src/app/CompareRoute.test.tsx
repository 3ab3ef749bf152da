import { act, cleanup, configure, fireEvent, render, screen, waitFor } from '@testing-library/react'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { aSegmentation, aSession, aStudy, fakeServer, page } from '../api/fakes'
import type { Study } from '../api/types'
import { niftiOf } from '../viewer/testVolumes'
import { App } from './App'
import { changeSettings } from './settings'

configure({ asyncUtilTimeout: 5000 })
// Loaded when it is first opened; here before the clock runs.
beforeAll(() => import('./CompareRoute'))
beforeEach(() => changeSettings({ language: 'en', display: 'radiological' }))
afterEach(cleanup)

const bytes = () => new Response(niftiOf({ shape: [4, 4, 4], values: new Uint8Array(64).fill(1), direction: 'LPS' }))

function study(id: string, date: string, wt: number, change: Partial<Study> = {}): Study {
  return {
    ...aStudy(id, { date }),
    notes: '',
    shape: [4, 4, 4],
    spacing: [1, 1, 1],
    series: (['t1c', 't2f'] as const).map((sequence) => ({
      id: `${id}-${sequence}`,
      sequence,
      url: `/api/v1/series/${id}-${sequence}/volume.nii.gz`,
      window: [0, 3],
      guessed: false,
    })),
    segmentations: [aSegmentation(id, { ml: { wt, tc: 10, et: 5, ncr: 5, ed: wt - 10 } })],
    brain: null,
    centre: [1, 1, 2],
    ...change,
  }
}

const answers = (late: Study, early: Study) => ({
  'GET session': aSession('editor'),
  'GET studies': page([aStudy('1'), aStudy('2')]),
  'GET jobs': page([]),
  'GET models': [],
  'GET uploads': [],
  'GET studies/1': late,
  'GET studies/2': early,
  ...Object.fromEntries(
    ['1', '2'].flatMap((id) => [
      [`GET series/${id}-t1c/volume.nii.gz`, bytes],
      [`GET series/${id}-t2f/volume.nii.gz`, bytes],
      [`GET segmentations/${id}/labels.nii.gz`, bytes],
    ]),
  ),
})

function open(path: string) {
  window.history.replaceState(null, '', path)
  return render(<App />)
}

test('two selected studies are compared: the earlier one on the left, the change in ml and percent', async () => {
  fakeServer(answers(study('1', '2026-11-03', 60), study('2', '2026-08-01', 80)))
  open('/')
  fireEvent.click(await screen.findByLabelText('Select P-0001 2026-11-03'))
  expect(screen.queryByText('Compare')).toBeNull()
  fireEvent.click(screen.getByLabelText('Select P-0002 2026-11-03'))
  fireEvent.click(screen.getByText('Compare'))
  const titles = await screen.findAllByRole('heading', { level: 2 })
  expect(titles.map((title) => title.textContent)).toEqual(['P-0002, 1 Aug 2026', 'P-0001, 3 Nov 2026'])
  const wt = screen.getByRole('rowheader', { name: 'WT' }).closest('tr')
  expect(wt?.textContent).toBe('WT80.0 ml60.0 ml−20.0 ml −25 %')
  expect(screen.getByText('These are studies of two different patients.')).toBeDefined()
})

test('they scroll together until the link is taken off', async () => {
  fakeServer(answers(study('1', '2026-11-03', 60), study('2', '2026-08-01', 80)))
  open('/compare?a=1&b=2')
  const sliders = await screen.findAllByLabelText<HTMLInputElement>('Slice, Axial')
  const press = (code: string) => act(() => fireEvent.keyDown(document.body, { code }))
  const slices = () => sliders.map((slider) => slider.value)
  expect(slices()).toEqual(['2', '2'])
  press('ArrowDown')
  expect(slices()).toEqual(['1', '1'])
  fireEvent.click(screen.getByRole('button', { name: 'Linked' }))
  press('ArrowDown')
  expect(slices()).toEqual(['0', '1'])
  expect(screen.queryByText(/different grids/)).toBeNull()
})

test('a pair without images says so', async () => {
  fakeServer(answers(study('1', '2026-11-03', 60), study('2', '2026-08-01', 80, { series: [] })))
  open('/compare?a=1&b=2')
  await waitFor(() => expect(screen.getByText(/no images yet/)).toBeDefined())
})
