import { describe, expect, it } from 'vitest'
import { componentAt, componentsOf, TUMOUR } from './components'
import { type Contour, contoursOf } from './contour'
import { copyOf, differenceOf } from './difference'
import { deedOf, Wheel } from './gesture'
import { fillTable, regionInks, tissueInks } from './palette'
import { FITTED, paneTransform, scaleBar, toVoxel, zoomAt } from './pane'
import { millilitresOf, profileOf, profilePath, stopsOf, tumourCentre } from './profile'
import { codeSlice, colourSlice, greySlice } from './slice'
import { offsetOf, plainGrid, type Vec3 } from './space'
import { coarsen, cropped, surfaceOf } from './surface'
import { draggedWindow, percentile, presetWindow, spreadOf } from './window'

const SHAPE: Vec3 = [8, 7, 6]

function box(from: Vec3, to: Vec3, code = 1, values = new Uint8Array(8 * 7 * 6)) {
  for (let z = from[2]; z <= to[2]; z++)
    for (let y = from[1]; y <= to[1]; y++)
      for (let x = from[0]; x <= to[0]; x++) values[offsetOf([x, y, z], SHAPE)] = code
  return values
}

/** Twice the area, positive where the inside lies on the right hand. */
function area(contour: Contour): number {
  let sum = 0
  for (const [i, [x, y]] of contour.entries()) {
    const [nx, ny] = contour[(i + 1) % contour.length] ?? [0, 0]
    sum += x * ny - nx * y
  }
  return sum / 2
}

describe('outlines', () => {
  const outlines = (rows: readonly string[]) => {
    const width = rows[0]?.length ?? 0
    const inside = Uint8Array.from(rows.join(''), (c) => (c === '#' ? 1 : 0))
    return contoursOf(inside, width, rows.length)
  }

  it('go round a pixel at its borders', () => {
    expect(outlines(['...', '.#.', '...'])).toEqual([
      [
        [0.5, 0.5],
        [1.5, 0.5],
        [1.5, 1.5],
        [0.5, 1.5],
      ],
    ])
  })

  it('enclose as many pixels as are inside, holes taken off', () => {
    const found = outlines(['#####', '#...#', '#.#.#', '#...#', '#####'])
    expect(found).toHaveLength(3)
    expect(found.reduce((sum, contour) => sum + area(contour), 0)).toBe(17)
  })

  it('keep pixels apart that touch at a corner', () => {
    expect(outlines(['#.', '.#']).map((contour) => contour.length)).toEqual([4, 4])
  })

  it('reach the edge of the slice', () => {
    expect(outlines(['##', '##']).map(area)).toEqual([4])
  })
})

describe('slices', () => {
  it('run from black to white and stop there', () => {
    const values = Int16Array.from([-5, 0, 60, 100, 900, 20])
    const grey = greySlice(values, [3, 2, 1], 'axial', 0, { lo: 0, hi: 100 })
    expect([0, 4, 8, 12, 16, 20].map((i) => grey.rgba[i])).toEqual([0, 0, 153, 255, 255, 51])
  })

  it('are cut along each plane', () => {
    const values = Uint8Array.from({ length: 24 }, (_, i) => i)
    const shape: Vec3 = [2, 3, 4]
    expect([...codeSlice(values, shape, 'axial', 1)]).toEqual([6, 7, 8, 9, 10, 11])
    expect([...codeSlice(values, shape, 'coronal', 2)]).toEqual([4, 5, 10, 11, 16, 17, 22, 23])
    expect([...codeSlice(values, shape, 'sagittal', 1)]).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23])
  })

  it('show the innermost region on top', () => {
    const table = fillTable(regionInks('report'))
    const pixels = colourSlice(Uint8Array.from([0, 1, 2, 3]), 4, 1, table)
    expect([...pixels.rgba.slice(0, 4)]).toEqual([0, 0, 0, 0])
    expect([...pixels.rgba.slice(12, 16)]).toEqual([0xff, 0x3b, 0x3b, 255])
    expect(tissueInks('report').map((ink) => ink.key)).toEqual(['ed', 'ncr', 'et'])
  })
})

describe('where the tumour is', () => {
  const values = box([2, 1, 3], [4, 2, 4])
  it('is told per slice', () => {
    const profile = profileOf(values, SHAPE)
    expect([...profile[2]]).toEqual([0, 0, 0, 6, 6, 0])
    expect(stopsOf(profile[0])).toEqual({ first: 2, last: 4, largest: 2 })
    expect(stopsOf(profileOf(new Uint8Array(336), SHAPE)[0])).toBeNull()
    expect(profilePath(profile[2], 100, 10).startsWith('M0 10L0.0 10.0')).toBe(true)
  })

  it('has a centre that is tumour, even of a ring', () => {
    const ring = box([1, 1, 2], [5, 5, 2])
    box([2, 2, 2], [4, 4, 2], 0, ring)
    const centre = tumourCentre(ring, SHAPE)
    expect(centre && ring[offsetOf(centre, SHAPE)]).toBe(1)
    expect(tumourCentre(new Uint8Array(336), SHAPE)).toBeNull()
  })

  it('has volumes in ml', () => {
    const grid = plainGrid(SHAPE, [1, 2, 5])
    expect(millilitresOf(box([0, 0, 0], [0, 0, 0], 3, values.slice()), grid)).toEqual({
      ncr: 0.12,
      ed: 0,
      et: 0.01,
      wt: 0.13,
      tc: 0.13,
    })
  })

  it('falls into parts that touch at corners', () => {
    const parts = box([0, 0, 0], [1, 1, 1])
    box([2, 2, 2], [2, 2, 2], 3, parts)
    box([6, 5, 5], [7, 6, 5], 2, parts)
    expect(componentsOf(parts, SHAPE, TUMOUR).map((part) => part.voxels.length)).toEqual([9, 4])
    expect(componentAt(parts, SHAPE, [2, 2, 2], (code) => code === 3)).toHaveLength(1)
    expect(componentAt(parts, SHAPE, [4, 0, 0], TUMOUR)).toHaveLength(0)
  })
})

describe('two masks', () => {
  it('differ where only one has tumour or the tissues differ', () => {
    const grid = plainGrid([4, 1, 1], [1, 1, 1])
    const source = {
      header: new Uint8Array(0),
      turn: { axes: [0, 1, 2], flips: [false, false, false], shape: [4, 1, 1] },
    } as const
    const labels = (codes: number[]) => ({ grid, source, values: Uint8Array.from(codes) })
    const first = labels([0, 1, 2, 3])
    expect([...differenceOf(first, labels([2, 0, 2, 1])).values]).toEqual([2, 1, 0, 3])
    copyOf(first).values[0] = 3
    expect(first.values[0]).toBe(0)
  })
})

describe('windows', () => {
  const values = Float32Array.from({ length: 1000 }, (_, i) => i)
  it('come from the values inside the brain', () => {
    const spread = spreadOf(values)
    expect(percentile(spread, 0)).toBe(1)
    expect(percentile(spread, 1)).toBe(999)
    expect(presetWindow(spread, 1)).toEqual({ lo: 6, hi: 994 })
    expect(presetWindow(spreadOf(new Float32Array(5)), 1)).toEqual({ lo: 0, hi: 1 })
  })

  it('are widened and moved by a drag', () => {
    expect(draggedWindow({ lo: 0, hi: 100 }, 300, 0)).toEqual({ lo: -50, hi: 150 })
    expect(draggedWindow({ lo: 0, hi: 100 }, 0, 300)).toEqual({ lo: 100, hi: 200 })
    const narrow = draggedWindow({ lo: 0, hi: 100 }, -5000, 0)
    expect(narrow.hi).toBeGreaterThan(narrow.lo)
  })
})

describe('the hand', () => {
  const press = (button: number, more = {}) => ({ button, shift: false, ctrl: false, ...more })
  it('does what readers of ITK-SNAP or a PACS expect', () => {
    expect(deedOf(press(0), 'cursor', 'itksnap')).toBe('cursor')
    expect(deedOf(press(0), 'cursor', 'pacs')).toBe('window')
    expect(deedOf(press(0, { shift: true }), 'brush', 'itksnap')).toBe('window')
    expect([1, 2, 3].map((button) => deedOf(press(button), 'cursor', 'itksnap'))).toEqual(['pan', 'zoom', null])
    expect(deedOf(press(0, { ctrl: true }), 'brush', 'itksnap')).toBe('erase')
  })

  it('turns a wheel by one slice a notch and adds up small steps', () => {
    const wheel = new Wheel()
    expect([wheel.steps(120, 0), wheel.steps(-100, 0), wheel.steps(3, 1)]).toEqual([1, -1, 1])
    expect([wheel.steps(10, 0), wheel.steps(9, 0), wheel.steps(2, 0)]).toEqual([0, 0, 1])
  })

  it('zooms about the pointer', () => {
    const grid = plainGrid([100, 100, 50], [1, 1, 2])
    const frame = {
      grid,
      plane: 'axial',
      convention: 'radiological',
      width: 400,
      height: 300,
      zoom: FITTED,
      fit: null,
    } as const
    const before = toVoxel(paneTransform(frame), 60, 250, [50, 50, 20])
    const zoom = zoomAt(frame, 2, 60, 250)
    const after = toVoxel(paneTransform({ ...frame, zoom }), 60, 250, [50, 50, 20])
    for (const i of [0, 1, 2] as const) expect(before[i]).toBeCloseTo(after[i])
    expect(zoom.factor).toBe(2)
    expect(scaleBar(4, 400)).toEqual({ mm: 20, pixels: 80 })
  })
})

describe('a surface', () => {
  const grid = plainGrid(SHAPE, [1, 1, 1])
  const solid = { shape: SHAPE, affine: grid.affine, inside: box([1, 1, 1], [5, 4, 3]) }

  it('is closed and faces outwards', () => {
    const { points, triangles } = surfaceOf(solid)
    const edges = new Map<string, number>()
    let volume = 0
    const point = (i: number) => [points[3 * i] ?? 0, points[3 * i + 1] ?? 0, points[3 * i + 2] ?? 0] as const
    for (let t = 0; t < triangles.length; t += 3) {
      const corners = [triangles[t] ?? 0, triangles[t + 1] ?? 0, triangles[t + 2] ?? 0] as const
      for (const [i, from] of corners.entries()) {
        const to = corners[(i + 1) % 3] ?? 0
        edges.set(`${from} ${to}`, (edges.get(`${from} ${to}`) ?? 0) + 1)
      }
      const [a, b, c] = [point(corners[0]), point(corners[1]), point(corners[2])]
      volume +=
        (a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) + a[2] * (b[0] * c[1] - b[1] * c[0])) /
        6
    }
    for (const [edge, times] of edges) {
      expect(times).toBe(1)
      expect(edges.has(edge.split(' ').reverse().join(' '))).toBe(true)
    }
    expect(volume).toBeGreaterThan(40)
    expect(volume).toBeLessThan(60)
  })

  it('stays where it was when it is cut out and made coarser', () => {
    const small = cropped(solid)
    expect(small.shape).toEqual([5, 4, 3])
    const middle = (mesh: { points: Float32Array }) =>
      mesh.points.filter((_, i) => i % 3 === 0).reduce((sum, x) => sum + x, 0) / (mesh.points.length / 3)
    expect(middle(surfaceOf(small))).toBeCloseTo(3)
    expect(middle(surfaceOf(coarsen(small, 20)))).toBeCloseTo(3.5, 0)
    expect(cropped({ ...solid, inside: new Uint8Array(336) }).inside).toHaveLength(0)
  })
})
