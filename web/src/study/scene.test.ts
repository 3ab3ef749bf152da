import { describe, expect, it } from 'vitest'
import { aSegmentation } from '../api/fakes'
import type { Vec3 } from '../viewer/space'
import { arrangementOf, mosaicSlices } from './arrangement'
import { courseOf } from './course'
import type { EditState } from './Editing'
import { atPlace, placeOf } from './place'
import { confidenceOf, diametersOf } from './report'
import { type Change, drawnSequence, opened, reduce, type Scene } from './scene'
import { versionsOf } from './useMasks'

const shape: Vec3 = [240, 240, 155]
const start = () => opened({ shape, cursor: [96, 120, 78], sequences: ['t2f', 't1n', 't1c', 't2w'] })
const changed = (...changes: Change[]): Scene => changes.reduce(reduce, start())

describe('the scene', () => {
  it('opens on FLAIR with the mask on', () => {
    const scene = start()
    expect([scene.sequence, scene.layout, scene.mask.shown, scene.cursor]).toEqual(['t2f', 'four', true, [96, 120, 78]])
  })

  it('keeps the place when the sequence changes', () => {
    const scene = changed({ kind: 'step', plane: 'axial', by: 10 }, { kind: 'sequence', sequence: 't1c' })
    expect([scene.sequence, scene.other, scene.cursor[2]]).toEqual(['t1c', 't2f', 88])
    expect(changed({ kind: 'next_sequence' }).sequence).toBe('t1n')
  })

  it('blinks to the sequence before for as long as the key is held', () => {
    const held = changed({ kind: 'sequence', sequence: 't1c' }, { kind: 'blink', on: true })
    expect(drawnSequence(held)).toBe('t2f')
    expect(drawnSequence(reduce(held, { kind: 'blink', on: false }))).toBe('t1c')
  })

  it('never leaves the volume', () => {
    expect(changed({ kind: 'step', plane: 'axial', by: 500 }).cursor[2]).toBe(154)
    expect(changed({ kind: 'cursor', at: [-3, 12.4, 900] }).cursor).toEqual([0, 12, 154])
  })

  it('makes a pane large and back', () => {
    const large = changed({ kind: 'enlarge', plane: 'coronal' })
    expect([large.layout, large.plane]).toEqual(['single', 'coronal'])
    expect(reduce(large, { kind: 'enlarge', plane: 'coronal' }).layout).toBe('four')
  })

  it('cycles the layouts', () => {
    expect(changed({ kind: 'next_layout' }, { kind: 'next_layout' }).layout).toBe('reading')
    expect(changed({ kind: 'layout', layout: 'compare' }, { kind: 'next_layout' }).layout).toBe('four')
    expect(changed({ kind: 'layout', layout: 'mosaic' }, { kind: 'next_layout', but: 'compare' }).layout).toBe('four')
  })

  it('draws the mask as the reader wants it', () => {
    const scene = changed(
      { kind: 'mask_shown' },
      { kind: 'opacity_by', by: 0.05 },
      { kind: 'next_drawing' },
      { kind: 'hide', key: 'tissue.ed' },
    )
    expect(scene.mask).toEqual({ shown: false, opacity: 0.2, drawing: 'outline', by: 'tissue', hidden: ['tissue.ed'] })
    expect(reduce(scene, { kind: 'hide', key: 'tissue.ed' }).mask.hidden).toEqual([])
  })

  it('puts a tool down when it is chosen again', () => {
    expect(changed({ kind: 'tool', tool: 'brush' }, { kind: 'tool', tool: 'brush' }).tool).toBe('cursor')
  })

  it('keeps a ruler when it is done', () => {
    const ruler = { plane: 'axial', from: [1, 1, 1], to: [2, 2, 1] } as const
    const drawing = changed({ kind: 'ruler', ruler, end: 'moving' })
    expect([drawing.rulers.length, drawing.measuring]).toEqual([0, ruler])
    const done = reduce(drawing, { kind: 'ruler', ruler, end: 'done' })
    expect([done.rulers.length, done.measuring]).toEqual([1, null])
  })

  it('goes back to the server’s window', () => {
    const scene = changed({ kind: 'window', sequence: 't2f', window: { lo: 1, hi: 2 } })
    expect(scene.windows).toEqual({ t2f: { lo: 1, hi: 2 } })
    expect(reduce(scene, { kind: 'window', sequence: 't2f', window: null }).windows).toEqual({})
  })
})

describe('the place in the address', () => {
  it('is the same view again', () => {
    const scene = changed(
      { kind: 'sequence', sequence: 't2w' },
      { kind: 'step', plane: 'sagittal', by: -4 },
      { kind: 'layout', layout: 'mosaic' },
      { kind: 'version', version: 'v1' },
    )
    expect(placeOf(atPlace(start(), placeOf(scene)))).toBe(placeOf(scene))
  })

  it('never holds left and right, and nonsense in it changes nothing', () => {
    expect(placeOf(start())).not.toMatch(/radio|neuro/)
    expect(atPlace(start(), 'seq=xx&at=1-2&layout=&plane=oblique&at=a-b-c')).toEqual(start())
    expect(atPlace(start(), 'at=999-0-1').cursor).toEqual([239, 0, 1])
  })
})

describe('layouts', () => {
  it('have their panes', () => {
    const panes = (layout: Scene['layout']) => arrangementOf(changed({ kind: 'layout', layout }), null)
    expect(panes('four').panes.map((pane) => pane.plane)).toEqual(['axial', 'coronal', 'sagittal'])
    expect(panes('four').surface).toBe(true)
    expect(panes('reading').panes.map((pane) => pane.sequence)).toEqual(['t1c', 't2f'])
    const onlyT2 = arrangementOf({ ...changed({ kind: 'layout', layout: 'reading' }), sequences: ['t2w'] }, null)
    expect([onlyT2.columns, onlyT2.panes.length]).toEqual([1, 1])
    expect(panes('sequences').panes).toHaveLength(4)
    expect(panes('compare').panes.map((pane) => pane.mask)).toEqual(['shown', 'against', 'difference'])
    expect(panes('mosaic').panes).toHaveLength(20)
  })

  it('a mosaic lies over the tumour and inside the volume', () => {
    const slices = mosaicSlices(start(), { first: 50, last: 110, largest: 78 })
    expect([slices[0], slices.at(-1)]).toEqual([113, 47])
    const low = mosaicSlices(start(), { first: 0, last: 4, largest: 2 })
    expect([Math.min(...low), new Set(low).size]).toEqual([0, 20])
    const high = mosaicSlices(start(), { first: 150, last: 154, largest: 152 })
    expect([Math.max(...high), new Set(high).size]).toEqual([154, 20])
  })
})

describe('results', () => {
  it('name the smallest volume and what came after', () => {
    expect(courseOf([84, 40, 60])).toEqual({ nadir: 40, at: 1, change: 20, share: 0.5 })
    expect(courseOf([0])).toEqual({ nadir: 0, at: 0, change: 0, share: 0 })
    expect(courseOf([])).toBeNull()
  })

  it('say nothing of confidence that no model said', () => {
    expect(confidenceOf(null).level).toBe('not_assessed')
    expect(confidenceOf({ level: 'sure' }).level).toBe('not_assessed')
    expect(confidenceOf({ level: 'check', reason: 'small' })).toEqual({ level: 'check', reason: 'small' })
  })

  it('list the diameters that are there', () => {
    expect(diametersOf({ wt: 51.2, tc: null, et: 0 })).toEqual([{ key: 'wt', mm: 51.2 }])
    expect(diametersOf(null)).toEqual([])
  })
})

describe('versions', () => {
  const row = (id: string, number: number) => aSegmentation(id, { number })
  const idle: EditState = { open: false, parent: null, canUndo: false, canRedo: false, changed: false, steps: 0 }
  const all = [row('a', 1), row('b', 2)]

  it('show the newest unless another is asked for, and one beside it when comparing', () => {
    expect(versionsOf(start(), all, idle).shown?.id).toBe('b')
    expect(versionsOf({ ...start(), version: 'a' }, all, idle).shown?.id).toBe('a')
    expect(versionsOf({ ...start(), layout: 'compare' }, all, idle).against?.id).toBe('a')
    expect(versionsOf(start(), [], idle).shown).toBeNull()
  })

  it('leave unsaved edits on screen when another version arrives', () => {
    const edits = { ...idle, open: true, parent: 'a', changed: true }
    expect(versionsOf(start(), all, edits)).toMatchObject({ shown: { id: 'a' }, edited: true })
    expect(versionsOf({ ...start(), version: 'b' }, all, edits)).toMatchObject({ shown: { id: 'b' }, edited: false })
    expect(versionsOf(start(), all, { ...edits, changed: false })).toMatchObject({ shown: { id: 'b' }, edited: false })
  })

  it('may be painted from nothing', () => {
    const edits = { ...idle, open: true, changed: true }
    expect(versionsOf(start(), [], edits)).toMatchObject({ shown: null, edited: true })
    expect(versionsOf(start(), all, edits)).toMatchObject({ shown: null, edited: true })
  })
})
