import { describe, expect, it, vi } from 'vitest'
import { Library } from './library'
import { FITTED } from './pane'
import { createPaneViewer } from './paneViewer'
import type { PaneScene } from './Scene'
import { plainGrid } from './space'
import { niftiOf } from './testVolumes'
import { viewerContract } from './viewer.contract'

function sceneOf(title: string): PaneScene {
  return {
    frame: {
      grid: plainGrid([4, 4, 4], [1, 1, 1]),
      plane: 'axial',
      convention: 'radiological',
      width: 40,
      height: 40,
      zoom: FITTED,
      fit: null,
    },
    cursor: [1, 2, 3],
    image: { url: title, preview: null, window: { lo: 0, hi: 1 } },
    mask: null,
    crosshair: true,
    furniture: true,
    rulers: [],
    ring: null,
    probe: null,
    text: { title, slice: '4 / 4' },
    revision: 0,
  }
}

/** A canvas that remembers the words written on it: the DOM of the tests cannot draw. */
function canvasThatListens() {
  const written: string[] = []
  const gradient = new Proxy({}, { get: () => () => undefined, set: () => true })
  const context = new Proxy(
    { fillText: (text: string) => written.push(text) },
    { get: (own, key) => (key === 'fillText' ? own.fillText : Reflect.get(gradient, key)), set: () => true },
  )
  const canvas = document.createElement('canvas')
  vi.spyOn(canvas, 'getContext').mockImplementation(() => context as never)
  vi.spyOn(canvas, 'toBlob').mockImplementation((done) => done(new Blob([], { type: 'image/png' })))
  return { canvas, written }
}

describe('the viewer of a plane', () => {
  it.each([true, false])('writes sides and scale into every pane, be it large or small (%s)', (furniture) => {
    const { canvas, written } = canvasThatListens()
    const scene = sceneOf('one')
    const viewer = createPaneViewer(canvas, new Library(() => Promise.reject(new Error('no server'))))
    void viewer.show({ ...scene, frame: { ...scene.frame, width: 400, height: 400 }, image: null, furniture })
    expect(written).toEqual(expect.arrayContaining(['R', 'L', 'A', 'P', '1 mm', '4 / 4']))
  })

  it('asks the server for the picture of a small pane only where the volume does not come', async () => {
    const asked: string[] = []
    class Picture {
      readonly complete = true
      readonly naturalWidth = 1
      readonly decode = () => Promise.resolve()
      set src(url: string) {
        asked.push(url)
      }
    }
    vi.stubGlobal('Image', Picture)
    const library = new Library(() => Promise.reject(new Error('no server')))
    const viewer = createPaneViewer(canvasThatListens().canvas, library)
    const scene = sceneOf('one')
    const image = { url: 'volume', preview: 'slice.png', window: { lo: 0, hi: 1 } }
    await viewer.show({ ...scene, image, furniture: false })
    expect(asked).toEqual([])
    expect(library.failure('volume')).not.toBeNull()
    await viewer.show({ ...scene, image, furniture: false, revision: 1 })
    expect(asked).toEqual(['slice.png'])
    vi.unstubAllGlobals()
  })

  viewerContract(() => {
    const { canvas, written } = canvasThatListens()
    let release: () => void = () => undefined
    let gate: Promise<void> = Promise.resolve()
    const file = niftiOf({ shape: [4, 4, 4], values: new Uint8Array(10), direction: 'RAS' })
    const library = new Library(() => gate.then(() => file))
    const scenes = [sceneOf('one'), sceneOf('two')] as const
    const titles = () => written.filter((text) => text === 'one' || text === 'two')
    return {
      viewer: createPaneViewer(canvas, library),
      scenes,
      drawn: () => scenes.find((scene) => scene.text.title === titles().at(-1)),
      drawings: () => titles().length,
      hold: () => {
        gate = new Promise((resolve) => {
          release = resolve
        })
        return () => release()
      },
      point: (at) => {
        // Ten pixels a voxel, patient's left on the right: voxel (1, 2) lies at (25, 15), and (-5, -5) outside.
        const [x, y] = at ? [35 - 10 * at[0], 35 - 10 * at[1]] : [-50, -50]
        canvas.dispatchEvent(new PointerEvent('pointermove', { clientX: x, clientY: y }))
      },
    }
  })
})
