import { describe, expect, it } from 'vitest'
import { Library } from '../viewer/library'
import { plainGrid } from '../viewer/space'
import type { Labels } from '../viewer/volume'
import { EDIT_KEY, Editing } from './Editing'
import { deletePart, keepPart, partAt, relabelPart } from './partEdits'

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
    editing.restore('v1', version([3]))
    expect(editing.state).toMatchObject({ changed: true, canUndo: false })
    editing.close()
    expect(editing.state.parent).toBeNull()
  })
})

describe('the correction of one click', () => {
  const codes = [1, 2, 0, 3, 0, 2]
  it('deletes, relabels or keeps what hangs together', () => {
    const labels = version(codes)
    expect([...partAt(labels, [0, 0, 0], 'tumour')]).toEqual([0, 1])
    expect([...partAt(labels, [0, 0, 0], 'tissue')]).toEqual([0])
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
