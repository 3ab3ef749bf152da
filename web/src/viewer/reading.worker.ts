/** The worker of `reader.ts`: bytes in, voxels out, one file after the other. */

import { readLabels, readVolume } from './nifti'
import type { Answer, Order } from './reader'

let last: Promise<void> = Promise.resolve()

self.addEventListener('message', ({ data }: MessageEvent<Order>) => {
  last = last.then(() => answer(data))
})

async function answer({ id, kind, bytes }: Order): Promise<void> {
  try {
    const found: Answer =
      kind === 'volume' ? { id, kind, found: await readVolume(bytes) } : { id, kind, found: await readLabels(bytes) }
    self.postMessage(found, { transfer: [found.found.values.buffer] })
  } catch (error) {
    const refused: Answer = { id, kind: 'refused', why: error instanceof Error ? error.message : String(error) }
    self.postMessage(refused)
  }
}
