import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FITTED, paneTransform, toScreen, toVoxel, type Zoom } from './pane'
import { attachGestures, type Deeds, type Hand } from './paneGestures'
import { plainGrid, type Vec3 } from './space'

const FRAME = {
  grid: plainGrid([100, 100, 50], [1, 1, 1]),
  plane: 'axial',
  convention: 'radiological',
  width: 100,
  height: 100,
  zoom: FITTED,
  fit: null,
} as const

/** A pane whose owner writes down what is done; the frame stays behind, as it does while a browser is busy. */
function rig(tool: Hand['tool'] = 'cursor') {
  const canvas = document.createElement('canvas')
  const done: string[] = []
  const zooms: Zoom[] = []
  const voxel = (at: Vec3 | null) => (at ? at.map(Math.round).join(' ') : 'nothing')
  const deeds: Deeds = {
    cursor: (at) => done.push(`cursor ${voxel(at)}`),
    step: (by) => done.push(`step ${by}`),
    window: () => done.push('window'),
    zoom: (zoom) => zooms.push(zoom),
    ruler: (_, __, end) => done.push(`ruler ${end}`),
    paint: (_, __, deed, phase) => done.push(`${deed} ${phase}`),
    fill: () => done.push('fill'),
    pick: () => done.push('pick'),
    hover: () => undefined,
    probe: (at) => done.push(`probe ${voxel(at)}`),
    enlarge: () => done.push('enlarge'),
  }
  const hand: Hand = { frame: FRAME, cursor: [50, 50, 25], tool, habit: 'itksnap', window: { lo: 0, hi: 1 } }
  const off = attachGestures(canvas, () => hand, deeds)
  const touch = (kind: string, id: number, x: number, y: number) =>
    canvas.dispatchEvent(
      new PointerEvent(`pointer${kind}`, { pointerId: id, pointerType: 'touch', clientX: x, clientY: y, button: 0 }),
    )
  return { done, zooms, touch, off }
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('fingers on a pane', () => {
  it('a tap points, a finger up and down scrolls', () => {
    const { done, touch } = rig()
    touch('down', 1, 50, 50)
    touch('up', 1, 50, 50)
    expect(done).toEqual(['cursor 50 50 25'])
    touch('down', 1, 50, 50)
    touch('move', 1, 50, 74)
    touch('up', 1, 50, 74)
    expect(done.slice(1)).toEqual(['step -3'])
  })

  it('a finger that rests reads, wherever it then goes, and moves nothing', () => {
    const { done, touch } = rig()
    touch('down', 1, 50, 50)
    vi.advanceTimersByTime(500)
    touch('move', 1, 30, 50)
    touch('up', 1, 30, 50)
    expect(done).toEqual(['probe 50 50 25', 'probe 70 50 25', 'probe nothing'])
  })

  it('two fingers zoom about their middle, however far the drawn frame lags behind', () => {
    const { done, zooms, touch } = rig()
    const middle = toVoxel(paneTransform(FRAME), 50, 40, [50, 50, 25])
    touch('down', 1, 40, 40)
    touch('down', 2, 60, 40)
    touch('move', 1, 30, 50)
    touch('move', 2, 70, 50)
    const last = zooms.at(-1)
    expect(last?.factor).toBeCloseTo(2)
    const [x, y] = toScreen(paneTransform({ ...FRAME, zoom: last ?? FITTED }), middle)
    expect([x, y]).toEqual([expect.closeTo(50), expect.closeTo(50)])
    touch('up', 1, 30, 50)
    touch('up', 2, 70, 50)
    expect(done).toEqual([])
  })

  it('the first of two fingers paints, fills and picks nothing', () => {
    const { done, touch } = rig('brush')
    touch('down', 1, 40, 40)
    touch('down', 2, 60, 40)
    touch('up', 1, 40, 40)
    touch('up', 2, 60, 40)
    expect(done).toEqual(['paint begin', 'paint abandon'])
    const filling = rig('fill')
    filling.touch('down', 1, 40, 40)
    filling.touch('down', 2, 60, 40)
    filling.touch('up', 2, 60, 40)
    filling.touch('up', 1, 40, 40)
    expect(filling.done).toEqual([])
    filling.touch('down', 1, 40, 40)
    filling.touch('up', 1, 40, 40)
    expect(filling.done).toEqual(['fill'])
  })

  it('a finger that the browser takes away points at nothing', () => {
    const { done, touch } = rig()
    touch('down', 1, 50, 50)
    touch('cancel', 1, 50, 50)
    vi.advanceTimersByTime(1000)
    expect(done).toEqual([])
  })

  it('hears nothing any more when it is told to stop', () => {
    const { done, touch, off } = rig()
    touch('down', 1, 50, 50)
    off()
    vi.advanceTimersByTime(1000)
    touch('up', 1, 50, 50)
    expect(done).toEqual([])
  })
})
