import { describe } from 'vitest'
import { createFakeViewer } from './fakeViewer'
import { viewerContract } from './viewer.contract'

describe('the fake viewer', () => {
  viewerContract(() => {
    const viewer = createFakeViewer<string>()
    return {
      viewer,
      scenes: ['one', 'two'],
      drawn: () => viewer.shown.at(-1),
      drawings: () => viewer.shown.length,
      hold: () => viewer.hold(),
      point: (at) => viewer.point(at),
    }
  })
})
