import { act, cleanup, configure, fireEvent, render, screen, waitFor, within } from '@testing-library/react'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { aFile, aJob, aSegmentation, aSession, aStudy, fakeServer, page, Refusal } from '../api/fakes'
import { uploads } from '../worklist/uploads'
import { App } from './App'
import { changeSettings } from './settings'

const rows = [
  aStudy('1', { segmentation: aSegmentation('a', { state: 'accepted' }) }),
  aStudy('2', { state: 'incomplete', sequences: ['t1n', 't2w', 't2f'], missing: ['t1c'] }),
  aStudy('3', { job: aJob('3') }),
]
const answers = (role: 'viewer' | 'editor' | 'admin' = 'editor') => ({
  'GET session': aSession(role),
  'GET studies': page(rows),
  'GET jobs': page([]),
  'GET models': [],
  'GET uploads': [],
  'GET patients': [],
})

function open(path: string) {
  window.history.replaceState(null, '', path)
  return render(<App />)
}

// Whole pages on a machine that compiles beside them take their time.
configure({ asyncUtilTimeout: 5000 })

beforeEach(() => changeSettings({ language: 'en' }))
afterEach(() => {
  cleanup()
  uploads.finish()
})

test('the worklist says of each study how it stands', async () => {
  fakeServer(answers())
  open('/')
  const line = (await screen.findByText('P-0001')).closest('tr')
  expect(line?.textContent).toContain('WT 84.2 ml')
  expect(line?.textContent).toContain('Accepted')
  expect(screen.getByText('T1ce is missing')).toBeDefined()
  expect(screen.getByText('about 2 s left')).toBeDefined()
  expect(screen.getByText('3 studies')).toBeDefined()
  expect(screen.getByText('Research use only, not a medical device')).toBeDefined()
})

test('and says it in Korean', async () => {
  changeSettings({ language: 'ko' })
  fakeServer(answers())
  open('/')
  expect(await screen.findByText('T1ce 누락')).toBeDefined()
  expect(screen.getByText('P-0001').closest('tr')?.textContent).toContain('확정')
  expect(screen.getByText('연구 전용이며 의료기기가 아닙니다')).toBeDefined()
  expect(document.documentElement.lang).toBe('ko')
})

test('j and k move, x selects, Delete puts into the bin and Undo takes out again', async () => {
  const calls = fakeServer({ ...answers(), 'DELETE studies/1': null, 'POST studies/1/restore': null })
  open('/')
  await screen.findByText('P-0001')
  const press = (code: string) => fireEvent.keyDown(document.activeElement ?? document.body, { code })
  press('KeyJ')
  expect(document.activeElement?.textContent).toBe('P-0001')
  press('KeyJ')
  expect(document.activeElement?.textContent).toBe('P-0002')
  press('KeyK')
  press('KeyX')
  expect(await screen.findByText('1 selected')).toBeDefined()
  press('Delete')
  const undo = await screen.findByText('Undo')
  expect(calls.some((call) => call.method === 'DELETE' && call.path === 'studies/1')).toBe(true)
  fireEvent.click(undo)
  await waitFor(() => expect(calls.some((call) => call.path === 'studies/1/restore')).toBe(true))
})

test('an empty worklist offers the demo to who may upload, and opens it', async () => {
  const calls = fakeServer({
    ...answers(),
    'GET studies': page([]),
    'POST demo': { study_id: 'd', job_id: 'j' },
  })
  open('/')
  fireEvent.click(await screen.findByText('Make the demo study'))
  await waitFor(() => expect(window.location.pathname).toBe('/studies/d'))
  expect(calls.filter((call) => call.path === 'demo')).toHaveLength(1)
  cleanup()
  fakeServer({ ...answers('viewer'), 'GET studies': page([]) })
  open('/')
  expect(await screen.findByText('No studies yet')).toBeDefined()
  expect(screen.queryByText('Make the demo study')).toBeNull()
})

test('the demo that cannot be made says why, in Korean too', async () => {
  changeSettings({ language: 'ko' })
  fakeServer({ ...answers(), 'GET studies': page([]), 'POST demo': new Refusal(507, 'disk_full') })
  open('/')
  fireEvent.click(await screen.findByText('데모 검사 만들기'))
  expect(await screen.findByText(/디스크가 가득/)).toBeDefined()
})

test('filters stand in the address and go to the server', async () => {
  const calls = fakeServer(answers())
  open('/?state=draft&wt_min=10&sort=wt')
  await screen.findByText('P-0001')
  const asked = calls.find((call) => call.path === 'studies')?.query
  expect([asked?.get('state'), asked?.get('wt_min'), asked?.get('sort')]).toEqual(['draft', '10', '-wt'])
  fireEvent.click(screen.getByText('Clear filters'))
  await waitFor(() => expect(window.location.search).toBe(''))
})

test('a search keeps the space between two names that is not followed yet', async () => {
  fakeServer(answers())
  open('/')
  const box = await screen.findByLabelText<HTMLInputElement>('Search patients, studies')
  fireEvent.change(box, { target: { value: 'Kim ' } })
  await waitFor(() => expect(window.location.search).toBe('?search=Kim'))
  expect(box.value).toBe('Kim ')
  fireEvent.click(await screen.findByText('Clear filters'))
  await waitFor(() => expect(box.value).toBe(''))
})

test('a viewer is offered nothing that the server would refuse', async () => {
  fakeServer(answers('viewer'))
  open('/')
  await screen.findByText('P-0001')
  expect(screen.queryByText('Upload')).toBeNull()
  expect(screen.queryByText('Add it')).toBeNull()
})

test('an empty list says what to do', async () => {
  fakeServer({ ...answers(), 'GET studies': page([]) })
  open('/')
  expect(await screen.findByText('Upload an examination')).toBeDefined()
})

test('a failure is a sentence with a next step', async () => {
  fakeServer({ ...answers(), 'GET studies': new Refusal(500, 'internal') })
  open('/')
  expect(await screen.findByText('The server made a mistake. Its log says more.')).toBeDefined()
  expect(screen.getByText('Try again')).toBeDefined()
})

test('whoever is not logged in comes to the login, and back to where they were going', async () => {
  let session: unknown = { ...aSession('editor'), person: null }
  fakeServer({
    ...answers(),
    'GET session': () => session,
    'POST session': () => {
      session = aSession('editor')
      return session
    },
  })
  open('/?state=draft')
  fireEvent.change(await screen.findByLabelText('Name'), { target: { value: 'reader' } })
  expect(window.location.search).toContain('next=')
  fireEvent.change(screen.getByLabelText('Password'), { target: { value: 'correct horse' } })
  fireEvent.click(screen.getByRole('button', { name: 'Log in' }))
  await screen.findByText('P-0001')
  expect(window.location.search).toBe('?state=draft')
})

test('? lists the keys of the page', async () => {
  fakeServer(answers())
  open('/')
  await screen.findByText('P-0001')
  fireEvent.keyDown(document.body, { code: 'Slash', shiftKey: true })
  const help = await screen.findByRole('dialog')
  expect(within(help).getAllByText('Next and previous study').length).toBeGreaterThan(0)
  expect(within(help).getByText('Search')).toBeDefined()
})

test('recognised files are shown with guesses and faults, and become a study', async () => {
  const group = {
    key: 'g',
    title: 'case-7',
    files: [
      aFile('a', { sequence: 't1n' }),
      aFile('b', { sequence: 't2f', guessed: true }),
      aFile('c', {
        state: 'refused',
        problem: { file_id: null, code: 'truncated', detail: 'c.nii.gz: it ends early.' },
      }),
    ],
    missing: ['t1c', 't2w'],
    problems: [],
    ready: true,
  }
  const calls = fakeServer({
    ...answers(),
    'GET uploads/u1': { id: 'u1', groups: [group] },
    'PATCH uploads/u1/files/b': aFile('b', { sequence: 't2w' }),
    'POST uploads/u1/commit': { studies: [{ group: 'g', study_id: '1', job_id: null }] },
  })
  uploads.resume('u1')
  open('/upload')
  expect(await screen.findByText('case-7')).toBeDefined()
  expect(screen.getByText('a guess')).toBeDefined()
  expect(screen.getByText('The file ends too early: copy it again from its source.')).toBeDefined()
  fireEvent.change(screen.getByLabelText('What b.nii.gz shows'), { target: { value: 't2w' } })
  await waitFor(() => expect(calls.find((call) => call.method === 'PATCH')?.body).toEqual({ sequence: 't2w' }))
  fireEvent.change(screen.getByLabelText('Date of the examination'), { target: { value: '2026-11-03' } })
  await act(async () => fireEvent.click(screen.getByText('Store as incomplete')))
  await waitFor(() =>
    expect(calls.find((call) => call.path === 'uploads/u1/commit')?.body).toEqual({
      groups: [{ key: 'g', segment: false, date: '2026-11-03' }],
    }),
  )
})

test('patients are sorted by the heads of their columns, and a name is mended', async () => {
  const ada = {
    id: 'a',
    pseudonym: 'P-0001',
    name: 'Ada',
    birth_year: 1970,
    n_studies: 2,
    created_at: '2026-11-24T10:00:00Z',
  }
  const calls = fakeServer({ ...answers(), 'GET patients': page([ada]), 'PATCH patients/a': ada })
  open('/patients')
  await screen.findByText('Ada')
  const sorts = () => calls.filter((call) => call.path === 'patients').map((call) => call.query.get('sort'))
  expect(sorts()).toEqual(['-created_at'])
  fireEvent.click(screen.getByRole('button', { name: 'Studies' }))
  await waitFor(() => expect(sorts()).toEqual(['-created_at', '-studies']))
  expect(screen.getByRole('columnheader', { name: 'Studies' }).getAttribute('aria-sort')).toBe('descending')
  fireEvent.click(screen.getByLabelText('Name and year of birth of P-0001'))
  fireEvent.change(screen.getByLabelText('Name (optional)'), { target: { value: '' } })
  fireEvent.click(screen.getByRole('button', { name: 'Save' }))
  await waitFor(() =>
    expect(calls.find((call) => call.method === 'PATCH')?.body).toEqual({ name: '', birth_year: 1970 }),
  )
})

test('an empty list says what lies in the bin', async () => {
  fakeServer({
    ...answers(),
    'GET studies': (call: { query: URLSearchParams }) => page(call.query.get('bin') ? rows.slice(0, 1) : []),
  })
  open('/')
  fireEvent.click(await screen.findByText('1 study lies in the bin: look there'))
  expect(await screen.findByText('P-0001')).toBeDefined()
})
