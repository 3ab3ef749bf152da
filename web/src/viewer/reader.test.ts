import { describe, expect, it, vi } from 'vitest'
import { Library } from './library'
import { type Answer, type Order, workerReader } from './reader'
import { niftiOf } from './testVolumes'

const file = (code: number) => niftiOf({ shape: [2, 2, 2], values: new Uint8Array(8).fill(code), direction: 'RAS' })

/** A worker that answers when it is told to. */
class Told extends EventTarget {
  readonly orders: Order[] = []
  readonly terminate = vi.fn()

  postMessage(order: Order) {
    this.orders.push(order)
  }

  say(answer: Answer) {
    this.dispatchEvent(new MessageEvent('message', { data: answer }))
  }
}

function rig() {
  const made: Told[] = []
  const reader = workerReader(() => {
    const worker = new Told()
    made.push(worker)
    return worker as unknown as Worker
  })
  return { made, reader }
}

describe('the reader in a worker', () => {
  it('starts one worker with the first file, and tells the answers apart', async () => {
    const { made, reader } = rig()
    expect(made).toHaveLength(0)
    const first = reader.volume(file(1))
    const second = reader.labels(file(2))
    const [worker] = made
    if (!worker) throw new Error('no worker')
    expect(made).toHaveLength(1)
    const plain = workerReader(() => null)
    const labels = await plain.labels(file(2))
    const volume = await plain.volume(file(1))
    worker.say({ id: worker.orders[1]?.id ?? 0, kind: 'labels', found: labels })
    worker.say({ id: worker.orders[0]?.id ?? 0, kind: 'volume', found: volume })
    expect([await first, await second]).toEqual([volume, labels])
  })

  it('says why a file is no volume, and fails when the worker ends', async () => {
    const { made, reader } = rig()
    const first = reader.volume(file(1))
    made[0]?.say({ id: 1, kind: 'refused', why: 'the file ends too early' })
    await expect(first).rejects.toThrow('the file ends too early')
    const second = reader.volume(file(1))
    made[0]?.dispatchEvent(new Event('error'))
    await expect(second).rejects.toThrow(/has ended/)
    void reader.volume(file(1)).catch(() => undefined)
    expect(made).toHaveLength(2)
  })

  it('is done without where it never comes to life', async () => {
    const { made, reader } = rig()
    const first = reader.volume(file(1))
    made[0]?.dispatchEvent(new Event('error'))
    await expect(first).rejects.toThrow(/has ended/)
    expect((await reader.volume(file(1))).values).toHaveLength(8)
    expect(made).toHaveLength(1)
  })

  it('is given back with the library, with all that it held', async () => {
    const { made, reader } = rig()
    const library = new Library(() => Promise.resolve(file(1)), reader)
    const loading = library.loadVolume('a')
    await vi.waitFor(() => expect(made[0]?.orders).toHaveLength(1))
    library.close()
    await loading
    expect(made[0]?.terminate).toHaveBeenCalled()
    expect([library.volume('a'), library.failure('a')]).toEqual([null, null])
  })
})
