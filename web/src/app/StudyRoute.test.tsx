import { act, cleanup, configure, fireEvent, render, screen, waitFor } from '@testing-library/react'
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { connection } from '../api/client'
import { aJob, aSegmentation, aSession, aStudy, fakeServer, page, Refusal } from '../api/fakes'
import type { Study } from '../api/types'
import { niftiOf } from '../viewer/testVolumes'
import { App } from './App'
import { changeSettings } from './settings'

// The DOM of the tests has no WebGL: the page must say so and show the rest.
vi.mock('../viewer/niivueViewer', () => ({ hasWebGl2: () => false, createSurfaceViewer: () => undefined }))

const SEQUENCES = ['t1n', 't1c', 't2w', 't2f'] as const
const VALUES = Uint8Array.from({ length: 64 }, (_, i) => (i === 42 ? 3 : i > 40 && i < 45 ? 2 : 0))
const bytes = () => new Response(niftiOf({ shape: [4, 4, 4], values: VALUES, direction: 'LPS' }))

function study(change: Partial<Study> = {}): Study {
  return {
    ...aStudy('1'),
    notes: '',
    shape: [4, 4, 4],
    spacing: [1, 1, 1],
    series: SEQUENCES.map((sequence) => ({
      id: sequence,
      sequence,
      url: `/api/v1/series/${sequence}/volume.nii.gz`,
      window: [0, 3],
      guessed: false,
    })),
    segmentations: [aSegmentation('a', { warnings: [{ code: 'cut_off', text: 'the tumour reaches the edge' }] })],
    brain: null,
    centre: [1, 1, 2],
    ...change,
  }
}

function answers(shown: Study, role: 'viewer' | 'editor' = 'editor') {
  return {
    'GET session': aSession(role),
    'GET studies': page([]),
    'GET jobs': page([]),
    'GET uploads': [],
    'GET studies/1': shown,
    'GET segmentations/a/labels.nii.gz': bytes,
    ...Object.fromEntries(SEQUENCES.map((sequence) => [`GET series/${sequence}/volume.nii.gz`, bytes])),
  }
}

function open(search = '') {
  window.history.replaceState(null, '', `/studies/1${search}`)
  return render(<App />)
}

const press = (code: string, more = {}) => act(() => fireEvent.keyDown(document.body, { code, ...more }))
const slider = (plane: string) => screen.findByLabelText(`Slice, ${plane}`)

// Whole pages on a machine that compiles beside them take their time.
configure({ asyncUtilTimeout: 5000 })
// Loaded when it is first opened; here before the clock runs.
beforeAll(() => import('./StudyRoute'))

beforeEach(() => changeSettings({ language: 'en', display: 'radiological' }))
afterEach(() => {
  cleanup()
  vi.unstubAllGlobals()
})

test('a study opens at its tumour, with volumes, warnings and what they are worth', async () => {
  fakeServer(answers(study()))
  open()
  expect((await slider('Axial')).getAttribute('aria-valuetext')).toBe('3 / 4')
  expect(screen.getByText('84.2 ml')).toBeDefined()
  expect(screen.getByText('not assessed')).toBeDefined()
  expect(screen.getByText('The tumour reaches the edge')).toBeDefined()
  expect(screen.getByText('Draft, version 1, default')).toBeDefined()
  expect(screen.getByText('Research use only, not a medical device')).toBeDefined()
  expect(await screen.findByText(/no WebGL2/)).toBeDefined()
})

test('and in Korean', async () => {
  changeSettings({ language: 'ko' })
  fakeServer(answers(study()))
  open()
  expect(await screen.findByText('종양이 영상 가장자리에 닿아 있습니다.')).toBeDefined()
  expect(screen.getByText('평가되지 않음')).toBeDefined()
  expect(screen.getByText('종양 분할')).toBeDefined()
})

test('the status line tells intensity, tissue and place in the patient', async () => {
  fakeServer(answers(study({ centre: [1, 1, 2] })))
  open()
  await waitFor(() => expect(screen.getByTestId('intensity').textContent).toMatch(/\d/))
  // Stored to the left and back: voxel 42 of the file is (2, 2, 2), which is (1, 1, 2) counted to the right and front.
  await waitFor(() => expect(screen.getByTestId('label').getAttribute('data-code')).toBe('et'))
  expect(screen.getByTestId('voxel').textContent).toBe('voxel 2 2 3')
  expect(screen.getByTestId('world').textContent).toBe('R 1.0  A 1.0  S 2.0 mm')
})

test('S shows and hides a mask that is there', async () => {
  fakeServer(answers(study()))
  open()
  const button = await screen.findByRole('button', { name: /^Segmentation/ })
  expect(button.getAttribute('aria-pressed')).toBe('true')
  press('KeyS')
  expect(button.getAttribute('aria-pressed')).toBe('false')
})

test('S makes the mask where there is none, and tells how far it is', async () => {
  const calls = fakeServer({ ...answers(study({ segmentations: [] })), 'POST studies/1/segmentations': aJob('1') })
  open()
  expect(await screen.findByText(/No segmentation yet/)).toBeDefined()
  press('KeyS')
  expect(await screen.findByText('network 62 % about 2 s left')).toBeDefined()
  expect(calls.filter((call) => call.method === 'POST')).toHaveLength(1)
})

test('keys move through slices and sequences, and the address follows', async () => {
  fakeServer(answers(study()))
  open()
  const axial = await slider('Axial')
  press('ArrowDown')
  expect(axial.getAttribute('aria-valuetext')).toBe('2 / 4')
  press('Digit2')
  expect(screen.getByRole('button', { name: 'T1ce' }).getAttribute('aria-pressed')).toBe('true')
  await waitFor(() => expect(window.location.search).toContain('at=1-1-1'))
  expect(window.location.search).toContain('seq=t1c')
})

test('an address opens the same view again', async () => {
  fakeServer(answers(study()))
  open('?seq=t2w&at=3-0-1&layout=three&plane=axial')
  expect((await slider('Sagittal')).getAttribute('aria-valuetext')).toBe('4 / 4')
  expect(screen.getByRole('button', { name: 'T2' }).getAttribute('aria-pressed')).toBe('true')
})

test('a draft is accepted, and that is taken back', async () => {
  const calls = fakeServer({ ...answers(study()), 'PATCH segmentations/a': aSegmentation('a') })
  open()
  await slider('Axial')
  press('Enter', { ctrlKey: true })
  fireEvent.click(await screen.findByText('Undo'))
  await waitFor(() =>
    expect(calls.filter((call) => call.method === 'PATCH').map((call) => call.body)).toEqual([
      { state: 'accepted' },
      { state: 'draft' },
    ]),
  )
})

test('a viewer is offered neither brush nor decision', async () => {
  fakeServer(answers(study(), 'viewer'))
  open()
  await slider('Axial')
  expect(screen.queryByText('Accept')).toBeNull()
  expect(screen.queryByLabelText('Brush')).toBeNull()
})

test('a volume that does not arrive leaves slices by the server, and a way to try again', async () => {
  fakeServer({ ...answers(study()), 'GET series/t2f/volume.nii.gz': new Refusal(500, 'internal') })
  open()
  expect(await screen.findByText(/volume of FLAIR did not arrive/)).toBeDefined()
  expect(screen.getByText('Try again')).toBeDefined()
})

test('a study without images says how to get some', async () => {
  fakeServer(answers(study({ shape: null, spacing: null, series: [], segmentations: [] })))
  open()
  expect(await screen.findByText(/no images yet/)).toBeDefined()
})

/** The tests' DOM lays nothing out: every pane gets this size. */
function panesOf(width: number, height: number) {
  class Sized {
    readonly #told: ResizeObserverCallback
    constructor(told: ResizeObserverCallback) {
      this.#told = told
    }
    observe() {
      this.#told([{ contentRect: { width, height } } as ResizeObserverEntry], this as unknown as ResizeObserver)
    }
    unobserve() {}
    disconnect() {}
  }
  vi.stubGlobal('ResizeObserver', Sized)
}

const axialPane = () => {
  const canvas = document.querySelector('.pane[data-plane=axial] canvas')
  if (!canvas) throw new Error('there is no axial pane')
  return canvas
}
const dab = (x: number, y: number) => {
  const at = { clientX: x, clientY: y, pointerId: 1, button: 0 }
  act(() => {
    fireEvent.pointerDown(axialPane(), at)
    fireEvent.pointerUp(axialPane(), at)
  })
}

test('a mask is painted where there was none, and becomes the first version', async () => {
  panesOf(100, 100)
  let made = false
  const row = aSegmentation('new', { source: 'edit', state: 'edited', model: null })
  const calls = fakeServer({
    ...answers(study({ segmentations: [] })),
    'GET studies/1': () => study({ segmentations: made ? [row] : [] }),
    'PUT studies/1/draft': new Response(null, { status: 204, headers: { ETag: '"first"' } }),
    'POST studies/1/versions': () => {
      made = true
      return row
    },
  })
  open()
  await waitFor(() => expect(screen.getByTestId('intensity').textContent).toMatch(/\d/))
  press('KeyP')
  dab(50, 50)
  expect(await screen.findAllByText('unsaved edits')).toHaveLength(1)
  await waitFor(() => expect(calls.some((call) => call.method === 'PUT')).toBe(true))
  expect(Object.fromEntries(calls.find((call) => call.method === 'PUT')?.query ?? [])).toEqual({
    after: '0',
    known: 'none',
  })
  expect(await screen.findByText('Draft kept on the server')).toBeDefined()
  fireEvent.change(screen.getByLabelText('Note'), { target: { value: 'by hand' } })
  press('KeyS', { ctrlKey: true })
  expect(await screen.findByText(/Version 1 is saved/)).toBeDefined()
  const sent = calls.find((call) => call.method === 'POST')
  expect([sent?.path, Object.fromEntries(sent?.query ?? [])]).toEqual([
    'studies/1/versions',
    { note: 'by hand', known: 'first' },
  ])
  await waitFor(() => expect(screen.queryByText('unsaved edits')).toBeNull())
  // The stroke can be taken back still, and is unsaved then.
  press('KeyZ', { ctrlKey: true })
  expect(await screen.findAllByText('version 1, unsaved edits')).toHaveLength(1)
})

test('edits of another tab are neither lost nor written over: the reader chooses', async () => {
  panesOf(100, 100)
  const theirs = () =>
    new Response(niftiOf({ shape: [4, 4, 4], values: VALUES, direction: 'LPS' }), {
      headers: { ETag: '"theirs"', 'Glioscope-Parent': 'a' },
    })
  let drawn = false
  const calls = fakeServer({
    ...answers(study()),
    'GET studies/1/draft': () => (drawn ? theirs() : new Response(null, { status: 204 })),
    'PUT studies/1/draft': (call: { query: URLSearchParams }) =>
      call.query.get('known') === 'none'
        ? new Refusal(409, 'draft_elsewhere')
        : new Response(null, { status: 204, headers: { ETag: '"ours"' } }),
    'DELETE studies/1/draft': new Response(null, { status: 204 }),
  })
  open()
  await waitFor(() => expect(screen.getByTestId('label')).toBeDefined())
  press('KeyE')
  dab(37, 62)
  drawn = true
  expect(await screen.findByText(/Other unsaved edits of this study/)).toBeDefined()
  fireEvent.click(screen.getByText('With the others'))
  fireEvent.click(await screen.findByText('Undo'))
  await waitFor(() =>
    expect(
      calls
        .filter((call) => call.method === 'PUT')
        .at(-1)
        ?.query.get('known'),
    ).toBe('theirs'),
  )
  expect(await screen.findByText('Draft kept on the server')).toBeDefined()
})

test('and in Korean these edits are kept in place of the others', async () => {
  panesOf(100, 100)
  changeSettings({ language: 'ko' })
  const calls = fakeServer({
    ...answers(study()),
    'PUT studies/1/draft': (call: { query: URLSearchParams }) =>
      call.query.has('known')
        ? new Refusal(409, 'draft_elsewhere')
        : new Response(null, { status: 204, headers: { ETag: '"ours"' } }),
  })
  open()
  await waitFor(() => expect(screen.getByTestId('label')).toBeDefined())
  press('KeyE')
  dab(37, 62)
  fireEvent.click(await screen.findByText('여기의 수정으로 계속'))
  expect(await screen.findByText('서버에 임시 저장됨')).toBeDefined()
  expect(calls.filter((call) => call.method === 'PUT')).toHaveLength(2)
})

test('what is edited stays on screen when the server is gone, and when somebody deleted the study', async () => {
  panesOf(100, 100)
  let refusal: Refusal | null = null
  fakeServer({ ...answers(study()), 'GET studies/1': () => refusal ?? study() })
  open()
  await waitFor(() => expect(screen.getByTestId('label')).toBeDefined())
  press('KeyE')
  // The ring of tumour in the middle: what the crosshair lies on.
  dab(37, 62)
  expect(await screen.findByText('version 1, unsaved edits')).toBeDefined()
  act(() => connection.lost())
  expect(await screen.findByText(/The server does not answer/)).toBeDefined()
  refusal = new Refusal(404, 'not_found')
  act(() => connection.heard())
  expect(await screen.findByText(/Somebody deleted this study/)).toBeDefined()
  expect(screen.queryByText(/The server does not answer/)).toBeNull()
  expect(screen.getByText('version 1, unsaved edits')).toBeDefined()
})

test('a decision waits until the edits are saved', async () => {
  panesOf(100, 100)
  const calls = fakeServer(answers(study()))
  open()
  await waitFor(() => expect(screen.getByTestId('label')).toBeDefined())
  press('KeyE')
  dab(37, 62)
  await screen.findByText('version 1, unsaved edits')
  press('Enter', { ctrlKey: true })
  expect(await screen.findByText(/Save or discard your edits first/)).toBeDefined()
  expect(calls.some((call) => call.method === 'PATCH')).toBe(false)
})

test('on paper stand who, what and that it is no medical device, and nothing of it on screen', async () => {
  fakeServer(answers(study()))
  open()
  await slider('Axial')
  expect(document.querySelector('.print-sheet')).toBeNull()
  act(() => window.dispatchEvent(new Event('beforeprint')))
  const sheet = document.querySelector('.print-sheet')
  for (const text of [
    'P-0001',
    '3 Nov 2026',
    'Research use only',
    'FLAIR · version 1, Draft · Radiological',
    '84.2 ml',
  ]) {
    expect(sheet?.textContent).toContain(text)
  }
  expect(sheet?.querySelectorAll('canvas')).toHaveLength(3)
  act(() => window.dispatchEvent(new Event('afterprint')))
  expect(document.querySelector('.print-sheet')).toBeNull()
})

test('a login that ends in the midst of an edit leads to the login', async () => {
  panesOf(100, 100)
  let session: unknown = aSession('editor')
  fakeServer({
    ...answers(study()),
    'GET session': () => session,
    'PUT studies/1/draft': new Refusal(401, 'login_needed'),
  })
  open()
  await waitFor(() => expect(screen.getByTestId('label')).toBeDefined())
  press('KeyE')
  session = { ...aSession('editor'), person: null }
  dab(37, 62)
  expect(await screen.findByRole('button', { name: 'Log in' })).toBeDefined()
  expect(window.location.search).toContain('next=%2Fstudies%2F1')
})

test('the crosshair goes to the first mask of the model, and stays where it is for any later one', async () => {
  let now = study({ segmentations: [], centre: [2, 2, 1] })
  fakeServer({ ...answers(now), 'GET studies/1': () => now })
  open()
  const axial = await slider('Axial')
  expect(axial.getAttribute('aria-valuetext')).toBe('2 / 4')
  const arrives = (next: Study) => {
    now = next
    act(() => connection.lost())
    act(() => connection.heard())
  }
  arrives(study({ centre: [1, 1, 2] }))
  await waitFor(() => expect(axial.getAttribute('aria-valuetext')).toBe('3 / 4'))
  arrives(study({ centre: [1, 1, 3], segmentations: [aSegmentation('b', { number: 2 }), aSegmentation('a')] }))
  expect(await screen.findByLabelText('Show version 2')).toBeDefined()
  expect(axial.getAttribute('aria-valuetext')).toBe('3 / 4')
})
