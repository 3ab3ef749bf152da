import { describe, expect, it } from 'vitest'
import { gunzip, readLabels, readVolume, writeLabels } from './nifti'
import { FITTED, paneTransform, sidesOf, toScreen, toVoxel } from './pane'
import { type Affine, offsetOf, PLANES, toWorld, type Vec3 } from './space'
import { niftiOf } from './testVolumes'
import { intoFile, intoRas, rasVoxel, turnedGrid, turnOf } from './volume'

const SHAPE: Vec3 = [3, 4, 5]

/** Every way in which a file's axes can lie along right, front and up. */
function orientations(): readonly Affine[] {
  const all: Affine[] = []
  for (const axes of [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ]) {
    for (let flips = 0; flips < 8; flips++) {
      const row = (r: number) => {
        const column = axes[r] ?? 0
        const sign = (flips >> r) & 1 ? -1 : 1
        return [0, 1, 2].map((c) => (c === column ? sign * (1 + r / 4) : 0)).concat(10 * r)
      }
      const [x, y, z] = [row(0), row(1), row(2)]
      const four = (v: number[]) => [v[0] ?? 0, v[1] ?? 0, v[2] ?? 0, v[3] ?? 0] as const
      all.push([four(x), four(y), four(z)])
    }
  }
  return all
}

describe('a volume in RAS order', () => {
  it('keeps every voxel at its place in space, whatever the file’s axes', () => {
    for (const affine of orientations()) {
      const turn = turnOf(affine, SHAPE)
      const grid = turnedGrid(affine, turn)
      expect([grid.affine[0][0] > 0, grid.affine[1][1] > 0, grid.affine[2][2] > 0]).toEqual([true, true, true])
      const file = Uint8Array.from({ length: 60 }, (_, i) => i)
      const ras = intoRas(file, file.slice(), turn)
      for (const at of [
        [0, 0, 0],
        [2, 3, 4],
        [1, 0, 3],
        [2, 1, 0],
      ] as const) {
        const turned = rasVoxel(at, turn)
        expect(ras[offsetOf(turned, grid.shape)]).toBe(file[offsetOf(at, SHAPE)])
        const [here, there] = [toWorld(grid.affine, turned), toWorld(affine, at)]
        for (const i of [0, 1, 2] as const) expect(here[i]).toBeCloseTo(there[i])
      }
      expect(intoFile(ras, turn)).toEqual(file)
    }
  })

  it('is read from a file and written back on the file’s own grid', async () => {
    const values = Uint8Array.from({ length: 60 }, (_, i) => i % 4)
    const bytes = niftiOf({ shape: SHAPE, values, direction: 'LPS' })
    const labels = await readLabels(bytes)
    const written = await writeLabels(labels.values, labels.source)
    const again = new Uint8Array(await gunzip(written.buffer))
    expect(again.slice(352)).toEqual(values)
    expect((await readLabels(written.buffer)).values).toEqual(labels.values)
  })

  it('refuses bytes that are no volume', async () => {
    await expect(readVolume(new ArrayBuffer(10))).rejects.toThrow('shorter than a header')
    const short = niftiOf({ shape: SHAPE, values: new Uint8Array(10), direction: 'RAS' })
    await expect(readVolume(short)).rejects.toThrow('ends too early')
  })
})

describe('left is left', () => {
  // A mark in the patient's left front, stored in a file that runs to the left and one that runs to the right.
  const mark = (direction: 'LPS' | 'RAS') => {
    const values = new Uint8Array(60)
    const at: Vec3 = direction === 'RAS' ? [0, 3, 4] : [2, 0, 4]
    values[offsetOf(at, SHAPE)] = 1
    return readVolume(niftiOf({ shape: SHAPE, values, direction }))
  }

  for (const direction of ['LPS', 'RAS'] as const) {
    it(`for a file in ${direction} order`, async () => {
      const { grid, values } = await mark(direction)
      const at: Vec3 = [0, 3, 4]
      expect(values.indexOf(1)).toBe(offsetOf(at, grid.shape))
      const frame = { grid, plane: 'axial' as const, width: 300, height: 300, zoom: FITTED, fit: null }
      const radiological = paneTransform({ ...frame, convention: 'radiological' })
      const neurological = paneTransform({ ...frame, convention: 'neurological' })
      expect(toScreen(radiological, at)[0]).toBeGreaterThan(150)
      expect(sidesOf(radiological, grid)).toEqual({ left: 'R', right: 'L', top: 'A', bottom: 'P' })
      expect(toScreen(neurological, at)[0]).toBeLessThan(150)
      expect(sidesOf(neurological, grid)).toEqual({ left: 'L', right: 'R', top: 'A', bottom: 'P' })
      expect(toScreen(radiological, at)[1]).toBeLessThan(150)
    })
  }

  it('and the nose points to the left in sagittal slices, the head up in frontal ones', async () => {
    const { grid } = await mark('LPS')
    for (const convention of ['radiological', 'neurological'] as const) {
      const frame = { grid, convention, width: 300, height: 300, zoom: FITTED, fit: null }
      expect(sidesOf(paneTransform({ ...frame, plane: 'sagittal' }), grid)).toMatchObject({ left: 'A', top: 'S' })
      expect(sidesOf(paneTransform({ ...frame, plane: 'coronal' }), grid)).toMatchObject({ top: 'S', bottom: 'I' })
    }
  })

  it('the brain fills the pane where it is known', async () => {
    const { grid } = await mark('RAS')
    const frame = { grid, plane: 'axial', convention: 'radiological', width: 216, height: 216, zoom: FITTED } as const
    const t = paneTransform({
      ...frame,
      fit: [
        [1, 1, 0],
        [2, 2, 4],
      ],
    })
    expect(t.pixelsPerMm).toBeCloseTo(100)
    expect(toScreen(t, [1.5, 1.5, 0])[0]).toBeCloseTo(108)
  })

  it('a point on the screen names the voxel that is drawn there', async () => {
    const { grid } = await mark('RAS')
    const cursor: Vec3 = [1, 2, 3]
    for (const plane of PLANES) {
      const t = paneTransform({
        grid,
        plane,
        convention: 'radiological',
        width: 640,
        height: 480,
        zoom: { factor: 2, pan: [3, -2] },
        fit: [
          [0, 1, 1],
          [1, 3, 3],
        ],
      })
      const [x, y] = toScreen(t, cursor)
      const back = toVoxel(t, x, y, cursor)
      for (const i of [0, 1, 2] as const) expect(back[i]).toBeCloseTo(cursor[i])
    }
  })
})
