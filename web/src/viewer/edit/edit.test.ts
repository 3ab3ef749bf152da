import { describe, expect, it } from 'vitest'
import { offsetOf, type Plane, plainGrid, type Vec3 } from '../space'
import { nextSize, sweep, type Tip } from './brush'
import { areaAt, reachesEdge } from './fill'
import { EMPTY, pushed, redo, Stroke, undo } from './history'
import { between, signedDistance } from './interpolate'
import { ANYWHERE, allows } from './rule'

const SHAPE: Vec3 = [20, 20, 10]
const grid = plainGrid(SHAPE, [1, 1, 2])
const blank = () => new Uint8Array(20 * 20 * 10)

function touched(run: (touch: (at: number) => void) => void): Set<number> {
  const found = new Set<number>()
  run((at) => found.add(at))
  return found
}

const dot = (plane: Plane, tip: Tip, at: Vec3) => touched((touch) => sweep(grid, plane, tip, [at, at], touch))

describe('the brush', () => {
  it('is a disc in millimetres that stays in its slice', () => {
    const disc = dot('axial', { shape: 'disc', mm: 4 }, [10, 10, 5])
    expect(disc.size).toBe(13)
    expect([...disc].every((at) => Math.floor(at / 400) === 5)).toBe(true)
    // In a frontal slice a voxel is twice as high as wide.
    expect(dot('coronal', { shape: 'disc', mm: 4 }, [10, 10, 5]).size).toBe(7)
  })

  it('is a ball through the slices', () => {
    const ball = dot('axial', { shape: 'ball', mm: 4 }, [10, 10, 5])
    expect(ball.has(offsetOf([10, 10, 6], SHAPE))).toBe(true)
    expect(ball.size).toBe(15)
  })

  it('paints the voxel under the pointer however small it is, and none outside', () => {
    expect(dot('axial', { shape: 'disc', mm: 0.1 }, [3.4, 3.4, 2]).size).toBe(1)
    expect(dot('axial', { shape: 'disc', mm: 1 }, [-5, 3, 2]).size).toBe(0)
  })

  it('leaves no gaps behind a quick hand', () => {
    const line = touched((touch) =>
      sweep(
        grid,
        'axial',
        { shape: 'disc', mm: 1 },
        [
          [2, 2, 2],
          [15, 2, 2],
        ],
        touch,
      ),
    )
    expect(line.size).toBe(14)
  })

  it('has sizes to step through', () => {
    expect([nextSize(6, 1), nextSize(6, -1), nextSize(40, 1), nextSize(7, -1)]).toEqual([8, 5, 40, 6])
  })
})

describe('a rule', () => {
  const labels = Uint8Array.from([0, 2, 3])
  const image = Float32Array.from([10, 50, 90])
  const where = (rule: Parameters<typeof allows>[0]) => [0, 1, 2].filter(allows(rule, labels, image))
  it('says what may be painted over', () => {
    expect(where(ANYWHERE)).toEqual([0, 1, 2])
    expect(where({ ...ANYWHERE, over: 'background' })).toEqual([0])
    expect(where({ ...ANYWHERE, over: 2 })).toEqual([1])
  })
  it('and between which intensities', () => {
    expect(where({ ...ANYWHERE, above: 20 })).toEqual([1, 2])
    expect(where({ ...ANYWHERE, above: 20, below: 60 })).toEqual([1])
  })
})

describe('strokes', () => {
  it('are taken back and made again, one each', () => {
    const labels = blank()
    const first = new Stroke(labels)
    first.set(5, 1)
    first.set(5, 2)
    first.set(6, 2)
    let history = pushed(EMPTY, first.finish() ?? expect.fail('nothing changed'))
    const second = new Stroke(labels)
    second.set(5, 0)
    history = pushed(history, second.finish() ?? expect.fail('nothing changed'))
    history = undo(history, labels)
    expect([labels[5], labels[6]]).toEqual([2, 2])
    history = undo(history, labels)
    expect([labels[5], labels[6]]).toEqual([0, 0])
    expect(undo(history, labels)).toBe(history)
    history = redo(redo(history, labels), labels)
    expect([labels[5], labels[6], history.done.length]).toEqual([0, 2, 2])
  })

  it('that change nothing are none', () => {
    const labels = blank()
    const stroke = new Stroke(labels)
    stroke.set(1, 3)
    stroke.set(1, 0)
    expect(stroke.finish()).toBeNull()
  })
})

describe('filling', () => {
  const ring = () => {
    const labels = blank()
    for (let i = 5; i <= 9; i++)
      for (const at of [
        [i, 5, 3],
        [i, 9, 3],
        [5, i, 3],
        [9, i, 3],
      ] as const)
        labels[offsetOf(at, SHAPE)] = 3
    return labels
  }
  it('finds what an outline encloses, and knows what is open', () => {
    const labels = ring()
    const hole = areaAt(labels, SHAPE, 'axial', [7, 7, 3])
    expect(hole).toHaveLength(9)
    expect(reachesEdge(hole, SHAPE, 'axial')).toBe(false)
    expect(reachesEdge(areaAt(labels, SHAPE, 'axial', [0, 0, 3]), SHAPE, 'axial')).toBe(true)
  })

  it('between slices blends the shapes', () => {
    const labels = blank()
    const square = (z: number, from: number, to: number) => {
      for (let y = from; y <= to; y++) for (let x = from; x <= to; x++) labels[offsetOf([x, y, z], SHAPE)] = 2
    }
    square(2, 5, 13)
    square(6, 8, 10)
    const found = between(labels, grid, 'axial', 2)
    const perSlice = [3, 4, 5].map((z) => [...found].filter((at) => Math.floor(at / 400) === z).length)
    expect(perSlice[0]).toBeGreaterThan(perSlice[1] ?? 0)
    expect(perSlice[1]).toBeGreaterThan(perSlice[2] ?? 0)
    expect(perSlice[2]).toBeGreaterThanOrEqual(9)
    expect(perSlice[0]).toBeLessThanOrEqual(81)
    expect(between(blank(), grid, 'axial', 2)).toHaveLength(0)
  })

  it('measures distances exactly', () => {
    const inside = new Uint8Array(49)
    inside[24] = 1
    const distance = signedDistance(inside, 7, 7, [1, 2])
    expect(distance[24]).toBeCloseTo(-0.5)
    expect(distance[25]).toBeCloseTo(0.5)
    expect(distance[24 + 7 + 1]).toBeCloseTo(Math.sqrt(5) - 0.5)
  })
})
