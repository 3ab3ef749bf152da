import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { connection } from '../api/client'
import { plainGrid } from '../viewer/space'
import type { Labels } from '../viewer/volume'
import { broughtBack, type Draft, DraftKeeper, type Kept, type KeptDraft, type Shelves } from './drafts'

const PLACE = { person: 'ada', study: '1' }
const labels = (code: number): Labels => ({
  grid: plainGrid([1, 1, 1], [1, 1, 1]),
  values: Uint8Array.from([code]),
  source: { header: new Uint8Array(348), turn: { axes: [0, 1, 2], flips: [false, false, false], shape: [1, 1, 1] } },
})
const draft = (parent: string | null): Draft => ({ parent, after: 0, bytes: new ArrayBuffer(1) })

/** Shelves of a test, and what was done to them in order. */
function rig() {
  const deeds: string[] = []
  const state = { local: null as KeptDraft | null, remote: null as Draft | null, online: true }
  const shelves: Shelves = {
    local: async () => state.local,
    async keepLocally(_, kept) {
      deeds.push(`here ${kept.parent} ${kept.sent ? 'sent' : 'unsent'}`)
      state.local = kept
      return true
    },
    async dropLocally() {
      deeds.push('drop here')
      state.local = null
    },
    remote: async () => (state.online ? state.remote : 'silent'),
    async keepRemotely(_, kept) {
      if (!state.online) return false
      deeds.push(`server ${kept.parent} after ${kept.after}`)
      state.remote = kept
      return true
    },
    async dropRemotely() {
      if (!state.online) return false
      deeds.push('drop server')
      state.remote = null
      return true
    },
  }
  return { deeds, state, shelves }
}

describe('a draft that is brought back', () => {
  it('is the one of this browser where the server never had it', async () => {
    const { state, shelves } = rig()
    state.local = { ...draft('mine'), sent: false }
    state.remote = draft('old')
    expect(await broughtBack(PLACE, shelves)).toMatchObject({ draft: { parent: 'mine' }, kept: 'here' })
  })

  it('is the one of the server where both have one: it may be newer, from another computer', async () => {
    const { state, shelves } = rig()
    state.local = { ...draft('mine'), sent: true }
    state.remote = draft('newer')
    expect(await broughtBack(PLACE, shelves)).toMatchObject({ draft: { parent: 'newer' }, kept: 'server' })
    state.online = false
    expect(await broughtBack(PLACE, shelves)).toMatchObject({ draft: { parent: 'mine' } })
  })

  it('is none where it was saved or discarded elsewhere', async () => {
    const { deeds, state, shelves } = rig()
    state.local = { ...draft('mine'), sent: true }
    expect(await broughtBack(PLACE, shelves)).toBeNull()
    expect(deeds).toEqual(['drop here'])
  })
})

describe('the keeper of drafts', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })
  const note = (parent: string | null, code = 1, after = 0) => ({ parent, after, labels: labels(code) })

  it('keeps what the hand has drawn when it rests, here and on the server', async () => {
    const { deeds, shelves } = rig()
    const said: Kept[] = []
    const keeper = new DraftKeeper(PLACE, (kept) => said.push(kept), shelves)
    keeper.note(note('v1', 1, 2))
    keeper.note(note('v1', 2, 2))
    expect([keeper.atRisk, deeds]).toEqual([true, []])
    vi.advanceTimersByTime(600)
    await vi.waitFor(() => expect(said.at(-1)).toBe('server'))
    expect(keeper.atRisk).toBe(false)
    await vi.waitFor(() => expect(deeds).toEqual(['here v1 unsent', 'server v1 after 2', 'here v1 sent']))
  })

  it('loses nothing of a page that is left at once', async () => {
    const { deeds, shelves } = rig()
    const keeper = new DraftKeeper(PLACE, () => undefined, shelves)
    keeper.note(note(null))
    keeper.close()
    keeper.close()
    await vi.waitFor(() => expect(deeds).toEqual(['here null unsent', 'server null after 0', 'here null sent']))
  })

  it('never brings a draft back that is not needed any more', async () => {
    const { deeds, state, shelves } = rig()
    const keeper = new DraftKeeper(PLACE, () => undefined, shelves)
    await keeper.drop()
    expect(deeds).toEqual([])
    keeper.note(note('v1'))
    keeper.flush()
    await keeper.drop()
    expect([state.local, state.remote]).toEqual([null, null])
    expect(deeds.at(-1)).toBe('drop server')
  })

  it('keeps edits in this browser while the server is silent', async () => {
    const { state, shelves } = rig()
    state.online = false
    const said: Kept[] = []
    const keeper = new DraftKeeper(PLACE, (kept) => said.push(kept), shelves)
    keeper.note(note('v1'))
    keeper.flush()
    await vi.waitFor(() => expect(said).toEqual(['not yet', 'here']))
    expect([keeper.atRisk, state.local?.sent]).toEqual([false, false])
    state.online = true
    connection.lost()
    connection.heard()
    await vi.waitFor(() => expect(said.at(-1)).toBe('server'))
  })

  it('tells the server later of a draft that was thrown away while it was silent', async () => {
    const { state, shelves } = rig()
    const said: Kept[] = []
    const keeper = new DraftKeeper(PLACE, (kept) => said.push(kept), shelves)
    keeper.note(note('v1'))
    keeper.flush()
    await vi.waitFor(() => expect(said.at(-1)).toBe('server'))
    state.online = false
    await keeper.drop()
    expect([state.local, state.remote?.parent]).toEqual([null, 'v1'])
    state.online = true
    connection.lost()
    connection.heard()
    await vi.waitFor(() => expect(state.remote).toBeNull())
  })
})
