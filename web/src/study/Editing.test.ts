import { describe, expect, it } from 'vitest'
import { Library } from '../viewer/library'
import { plainGrid } from '../viewer/space'
import type { Labels } from '../viewer/volume'
import { EDIT_KEY, Editing } from './Editing'
import { deletePart, isAll, keepPart, partAt, relabelPart } from './partEdits'

function version(codes: readonly number[]): Labels {
  const shape = [codes.length, 1, 1] as const
  return {
    grid: plainGrid(shape, [1, 1, 1]),
    values: Uint8Array.from(codes),
    source: { header: new Uint8Array(348), turn: { axes: [0, 1, 2], flips: [false, false, false], shape } },
  }
}

function edited(codes: readonly number[]) {
  const library = new Library(() => Promise.reject(new Error('unused')))
  const editing = new Editing(library)
  const from = version(codes)
  editing.begin('v1', from)
  return { library, editing, from, now: () => [...(library.labels(EDIT_KEY)?.values ?? [])] }
}

describe('editing', () => {
  it('leaves the version that it began from as it was', () => {
    const { editing, from, now } = edited([0, 1, 2])
    editing.step((stroke) => stroke.set(0, 3))
    expect([now(), [...from.values]]).toEqual([
      [3, 1, 2],
      [0, 1, 2],
    ])
    expect(editing.state).toMatchObject({ parent: 'v1', canUndo: true, changed: true, steps: 1 })
  })

  it('takes a whole stroke of the hand back at once', () => {
    const { editing, now } = edited([0, 0, 0])
    editing.draw((stroke) => stroke.set(0, 1))
    editing.draw((stroke) => stroke.set(1, 1))
    editing.lift()
    expect(now()).toEqual([1, 1, 0])
    editing.undo()
    expect(now()).toEqual([0, 0, 0])
    editing.redo()
    expect(now()).toEqual([1, 1, 0])
  })

  it('counts nothing where nothing changed', () => {
    const { editing } = edited([0, 1])
    editing.step((stroke) => stroke.set(1, 1))
    expect(editing.state).toMatchObject({ canUndo: false, changed: false, steps: 0 })
  })

  it('goes on with a draft, which is unsaved from the start', () => {
    const { editing } = edited([0])
    editing.restore('v1', version([3]), 'stored')
    expect(editing.state).toMatchObject({ changed: true, canUndo: false, steps: 0 })
    editing.close()
    expect(editing.state).toMatchObject({ open: false, parent: null, changed: false })
    editing.restore('v1', version([3]), 'not stored')
    expect(editing.state.steps).toBe(2)
  })

  it('begins with nothing where there is no version', () => {
    const { editing, now } = edited([1])
    editing.begin(null, version([0, 0]))
    expect(editing.state).toMatchObject({ open: true, parent: null, changed: false })
    editing.step((stroke) => stroke.set(1, 2))
    expect([editing.state.changed, now()]).toEqual([true, [0, 2]])
  })

  it('undoes across a saved version, and what came after it is unsaved', () => {
    const { editing, now } = edited([0, 0, 0])
    editing.step((stroke) => stroke.set(0, 1))
    const { mark } = editing
    // Painted while the version was on its way.
    editing.step((stroke) => stroke.set(1, 1))
    editing.saved('v2', mark)
    expect(editing.state).toMatchObject({ parent: 'v2', changed: true })
    editing.undo()
    expect([editing.state.changed, now()]).toEqual([false, [1, 0, 0]])
    editing.undo()
    expect([editing.state.changed, now()]).toEqual([true, [0, 0, 0]])
    editing.redo()
    expect(editing.state.changed).toBe(false)
  })

  it('knows no way back to a version older than its memory', () => {
    const { editing } = edited([0])
    for (let i = 1; i <= 201; i++) editing.step((stroke) => stroke.set(0, i % 2))
    for (let i = 0; i < 300; i++) editing.undo()
    expect(editing.state).toMatchObject({ canUndo: false, changed: true })
  })

  it('is unsaved from the first voxel of a stroke on, and a stroke that is abandoned leaves nothing', () => {
    const { editing, now } = edited([0, 0])
    editing.draw((stroke) => stroke.set(0, 3))
    expect(editing.state).toMatchObject({ changed: true, steps: 0 })
    editing.abandon()
    expect(editing.state).toMatchObject({ changed: false, canUndo: false, steps: 0 })
    expect(now()).toEqual([0, 0])
  })
})

describe('the correction of one click', () => {
  const codes = [1, 2, 0, 3, 0, 2]
  it('deletes, relabels or keeps what hangs together', () => {
    const labels = version(codes)
    expect([...partAt(labels, [0, 0, 0], 'tumour')]).toEqual([0, 1])
    expect([...partAt(labels, [0, 0, 0], 'tissue')]).toEqual([0])
    expect(isAll(labels, partAt(labels, [0, 0, 0], 'tumour'))).toBe(false)
    expect(isAll(version([0, 1, 2]), partAt(version([0, 1, 2]), [1, 0, 0], 'tumour'))).toBe(true)
    const run = (work: Parameters<Editing['step']>[0]) => {
      const { editing, now } = edited(codes)
      editing.step(work)
      return now()
    }
    expect(run((stroke, mask) => deletePart(stroke, partAt(mask, [1, 0, 0], 'tumour')))).toEqual([0, 0, 0, 3, 0, 2])
    expect(run((stroke, mask) => relabelPart(stroke, partAt(mask, [3, 0, 0], 'tumour'), 1))).toEqual([1, 2, 0, 1, 0, 2])
    expect(run((stroke, mask) => keepPart(stroke, mask, partAt(mask, [0, 0, 0], 'tumour')))).toEqual([1, 2, 0, 0, 0, 0])
  })
})
