import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { connection } from '../api/client'
import { plainGrid } from '../viewer/space'
import type { Labels } from '../viewer/volume'
import { broughtBack, DraftKeeper, type Kept } from './drafts'
import type { Draft, KeptDraft, Shelves } from './shelves'

const PLACE = { person: 'ada', study: '1' }
const labels = (code: number): Labels => ({
  grid: plainGrid([1, 1, 1], [1, 1, 1]),
  values: Uint8Array.from([code]),
  source: { header: new Uint8Array(348), turn: { axes: [0, 1, 2], flips: [false, false, false], shape: [1, 1, 1] } },
})
const draft = (parent: string | null, known: string | null = null): Draft => ({
  parent,
  after: 0,
  bytes: new ArrayBuffer(1),
  known,
})
const kept = (parent: string | null, change: Partial<KeptDraft> = {}): KeptDraft => ({
  ...draft(parent),
  sent: false,
  stamp: 'old',
  ...change,
})

/** A browser and a server that tabs share, and what was done to them in order. */
function rig() {
  const deeds: string[] = []
  const state = { local: null as KeptDraft | null, remote: null as Draft | null, online: true, deaf: false }
  let tags = 0
  const isAnothers = (known: string | null) => state.local && !state.local.sent && state.local.stamp !== known
  const shelves: Shelves = {
    local: async () => state.local,
    async keepLocally(_, draft, known) {
      if (isAnothers(known)) return false
      deeds.push(`here ${draft.parent} ${draft.sent ? 'sent' : 'unsent'}`)
      state.local = draft
      return true
    },
    async dropLocally(_, known) {
      if (isAnothers(known)) return
      deeds.push('drop here')
      state.local = null
    },
    remote: async () => (state.online ? state.remote : 'silent'),
    async keepRemotely(_, draft, over) {
      if (!state.online) return 'silent'
      if (over === 'known' && state.remote && state.remote.known !== draft.known) return 'elsewhere'
      deeds.push(`server ${draft.parent} after ${draft.after}`)
      tags += 1
      state.remote = { ...draft, known: `t${tags}` }
      return state.deaf ? 'silent' : { tag: `t${tags}` }
    },
    async dropRemotely(_, known) {
      if (!state.online) return false
      if (state.remote?.known === known) state.remote = null
      deeds.push('drop server')
      return true
    },
    alike: async (one, other) => one.bytes === other.bytes,
  }
  return { deeds, state, shelves }
}

describe('a draft that is brought back', () => {
  it('is the one of this browser where the server never had it', async () => {
    const { state, shelves } = rig()
    state.local = kept('mine')
    state.remote = draft('old', 't0')
    expect(await broughtBack(PLACE, shelves)).toMatchObject({ draft: { parent: 'mine' }, kept: 'here' })
  })

  it('is the one of the server where both have one: it may be newer, from another computer', async () => {
    const { state, shelves } = rig()
    state.local = kept('mine', { sent: true })
    state.remote = draft('newer', 't9')
    expect(await broughtBack(PLACE, shelves)).toMatchObject({ draft: { parent: 'newer' }, kept: 'server' })
    state.online = false
    expect(await broughtBack(PLACE, shelves)).toMatchObject({ draft: { parent: 'mine' } })
  })

  it('is none where it was saved or discarded elsewhere', async () => {
    const { deeds, state, shelves } = rig()
    state.local = kept('mine', { sent: true })
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
  })

  it('lets no version overtake the draft of the same edits', async () => {
    const { deeds, state, shelves } = rig()
    const keeper = new DraftKeeper(PLACE, () => undefined, shelves)
    await keeper.settled()
    expect(deeds).toEqual([])
    keeper.note(note('v1'))
    await keeper.settled()
    expect(deeds).toEqual(['here v1 unsent', 'server v1 after 0', 'here v1 sent'])
    expect(keeper.known).not.toBeNull()
    state.online = false
    keeper.note(note('v1', 2))
    await keeper.settled()
    expect(state.local?.sent).toBe(false)
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

  /** A tab with what it says of its edits. */
  function tab(shelves: Shelves) {
    const said: Kept[] = []
    const keeper = new DraftKeeper(PLACE, (kept) => said.push(kept), shelves)
    const draws = async (parent: string, expected: Kept) => {
      keeper.note(note(parent))
      keeper.flush()
      await vi.waitFor(() => expect(said.at(-1)).toBe(expected))
    }
    return { said, keeper, draws }
  }

  it('asks where another tab has kept other edits, and writes over neither', async () => {
    const { state, shelves } = rig()
    const [one, other] = [tab(shelves), tab(shelves)]
    await one.draws('mine', 'server')
    await other.draws('theirs', 'elsewhere')
    expect([state.remote?.parent, state.local?.parent]).toEqual(['mine', 'theirs'])
    // More strokes do not take the question away, and the first tab goes on undisturbed.
    other.keeper.note(note('theirs'))
    expect(other.said.at(-1)).toBe('elsewhere')
    await one.draws('mine again', 'server')
    expect([state.remote?.parent, state.local?.parent, one.keeper.atRisk]).toEqual(['mine again', 'theirs', false])
    // Neither discarding here nor opening the study anew loses the others.
    expect(await broughtBack(PLACE, shelves)).toMatchObject({ draft: { parent: 'theirs' }, kept: 'here' })
    await other.keeper.drop()
    expect([state.remote?.parent, state.local]).toEqual(['mine again', null])
  })

  it('puts these edits in place of the others when that is chosen, and the other tab is asked then', async () => {
    const { state, shelves } = rig()
    const [one, other] = [tab(shelves), tab(shelves)]
    await one.draws('mine', 'server')
    await other.draws('theirs', 'elsewhere')
    await other.keeper.overwrite()
    expect([state.remote?.parent, other.said.at(-1)]).toEqual(['theirs', 'server'])
    await other.draws('theirs again', 'server')
    await one.draws('mine again', 'elsewhere')
    expect(state.remote?.parent).toBe('theirs again')
  })

  it('goes on with the others when that is chosen', async () => {
    const { state, shelves } = rig()
    const [one, other] = [tab(shelves), tab(shelves)]
    await one.draws('mine', 'server')
    await other.draws('theirs', 'elsewhere')
    const found = await other.keeper.other()
    if (found === null || found === 'silent') throw new Error('there are none')
    await other.keeper.adopt(found)
    expect([found.parent, state.local, other.said.at(-1)]).toEqual(['mine', null, 'server'])
    await other.draws('mine, gone on with', 'server')
    expect(state.remote?.parent).toBe('mine, gone on with')
  })

  it('does not take its own edits for those of another tab when the answer was lost', async () => {
    const { state, shelves } = rig()
    const one = tab(shelves)
    state.deaf = true
    await one.draws('mine', 'here')
    await vi.waitFor(() => expect(state.remote?.parent).toBe('mine'))
    state.deaf = false
    await one.draws('mine again', 'server')
    expect(state.remote?.parent).toBe('mine again')
    state.deaf = true
    await one.draws('mine at last', 'here')
    await vi.waitFor(() => expect(state.remote?.parent).toBe('mine at last'))
    await one.keeper.drop()
    expect(state.remote).toBeNull()
  })

  it('does not write over what another tab keeps in this browser while the server is silent', async () => {
    const { state, shelves } = rig()
    state.online = false
    const [one, other] = [tab(shelves), tab(shelves)]
    await one.draws('mine', 'here')
    await other.draws('theirs', 'not yet')
    await vi.waitFor(() => expect(state.local?.parent).toBe('mine'))
    // The browser asks before this tab is closed.
    expect([one.keeper.atRisk, other.keeper.atRisk]).toEqual([false, true])
  })
})
