import { describe, expect, it, vi } from 'vitest'
import { Library } from './library'
import { niftiOf } from './testVolumes'

const file = () => niftiOf({ shape: [2, 2, 2], values: Uint8Array.from([0, 1, 2, 3, 0, 0, 0, 9]), direction: 'RAS' })

describe('the library', () => {
  it('fetches a volume once, however often it is asked for', async () => {
    const fetch = vi.fn(() => Promise.resolve(file()))
    const library = new Library(fetch)
    await Promise.all([library.loadVolume('a'), library.loadVolume('a')])
    await library.loadVolume('a')
    expect(fetch).toHaveBeenCalledTimes(1)
    expect(library.volume('a')?.values[7]).toBe(9)
    expect(library.spread('a')?.sample).toHaveLength(4)
  })

  it('remembers what failed until it is asked for again', async () => {
    let there = false
    const library = new Library(() => (there ? Promise.resolve(file()) : Promise.reject(new Error('gone'))))
    await library.loadVolume('a')
    expect(library.failure('a')).toEqual(new Error('gone'))
    there = true
    library.again()
    expect(library.failure('a')).toBeNull()
    await library.loadVolume('a')
    expect(library.volume('a')?.values[7]).toBe(9)
  })

  it('tells its listeners of masks that change', () => {
    const library = new Library(() => Promise.reject(new Error('unused')))
    const heard = vi.fn()
    const stop = library.subscribe(heard)
    library.touch('mask')
    expect(library.revisionOf('mask')).toBe(1)
    stop()
    library.touch('mask')
    expect(heard).toHaveBeenCalledTimes(1)
  })

  it('begins anew after it was closed, and nothing of before arrives', async () => {
    let answer: (bytes: ArrayBuffer) => void = () => undefined
    const library = new Library(() => new Promise((resolve) => (answer = resolve)))
    const early = library.loadVolume('a')
    library.close()
    answer(file())
    await early
    expect(library.volume('a')).toBeNull()
    const late = library.loadVolume('a')
    answer(file())
    await late
    expect(library.volume('a')).not.toBeNull()
  })
})
