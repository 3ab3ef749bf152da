/** Two studies side by side: where the reader is in each, as plain data. */

import type { SequenceKey, Triple } from '../api/types'
import { FITTED, type Zoom } from '../viewer/pane'
import type { Window } from '../viewer/slice'
import { clampVoxel, type Plane, sameVec, throughAxis, type Vec3, withAxis } from '../viewer/space'
import { type MaskChange, type MaskView, masked, opened, type Scene, zoomedBy } from './scene'

export type SideOf = 0 | 1
export type Both<T> = readonly [T, T]

export interface Side {
  readonly shape: Vec3
  readonly spacing: Vec3
  /** A voxel, not rounded, so that grids of different spacing stay together over many steps. */
  readonly at: Vec3
  readonly sequences: readonly SequenceKey[]
  readonly windows: Scene['windows']
}

export interface Pair {
  readonly sides: Both<Side>
  /** What moves one moves the other by as many millimetres. */
  readonly linked: boolean
  readonly plane: Plane
  readonly sequence: SequenceKey
  readonly zooms: Readonly<Record<Plane, Zoom>>
  readonly mask: MaskView
  readonly crosshair: boolean
}

export type PairChange =
  | { kind: 'go'; side: SideOf; to: Vec3 }
  | { kind: 'step'; side: SideOf; by: number }
  | { kind: 'slice'; side: SideOf; index: number }
  | { kind: 'grid'; side: SideOf; shape: Vec3 }
  | { kind: 'link' }
  | { kind: 'plane'; plane: Plane }
  | { kind: 'sequence'; sequence: SequenceKey }
  | { kind: 'window'; side: SideOf; sequence: SequenceKey; window: Window }
  | { kind: 'zoom'; zoom: Zoom }
  | { kind: 'zoom_by'; factor: number }
  | { kind: 'fit' }
  | { kind: 'crosshair' }
  | MaskChange

export interface Begun {
  readonly shape: Triple
  readonly spacing: Triple
  /** The middle of its tumour or of its brain. */
  readonly centre: Triple | null
  readonly sequences: readonly SequenceKey[]
}

/** Studies on one grid begin at one place; others each at the middle of their own tumour, and go together from there. */
export function begunPair(first: Begun, second: Begun): Pair {
  const middle = ({ shape, centre }: Begun): Vec3 => centre ?? [shape[0] >> 1, shape[1] >> 1, shape[2] >> 1]
  const same = sameVec(first.shape, second.shape) && sameVec(first.spacing, second.spacing)
  const side = (one: Begun, at: Vec3): Side => ({
    shape: one.shape,
    spacing: one.spacing,
    at,
    sequences: one.sequences,
    windows: {},
  })
  const shared = first.sequences.filter((key) => second.sequences.includes(key))
  const scene = opened({ shape: first.shape, cursor: middle(first), sequences: shared })
  return {
    sides: [side(first, middle(first)), side(second, same ? middle(first) : middle(second))],
    linked: true,
    plane: 'axial',
    sequence: scene.sequence,
    zooms: scene.zooms,
    mask: scene.mask,
    crosshair: true,
  }
}

/** What both have. */
export function sharedSequences({ sides }: Pair): readonly SequenceKey[] {
  return sides[0].sequences.filter((key) => sides[1].sequences.includes(key))
}

/** One side as the panes know scenes. */
export function sceneOf(pair: Pair, which: SideOf): Scene {
  const side = pair.sides[which]
  return {
    ...opened({ shape: side.shape, cursor: clampVoxel(side.at, side.shape), sequences: side.sequences }),
    sequence: pair.sequence,
    plane: pair.plane,
    layout: 'single',
    windows: side.windows,
    zooms: pair.zooms,
    mask: pair.mask,
    crosshair: pair.crosshair,
  }
}

export function reducePair(pair: Pair, change: PairChange): Pair {
  switch (change.kind) {
    case 'go':
      return moved(pair, change.side, change.to)
    case 'step':
    case 'slice': {
      const { at } = pair.sides[change.side]
      const axis = throughAxis(pair.plane)
      const index = change.kind === 'step' ? Math.round(at[axis]) + change.by : change.index
      return moved(pair, change.side, withAxis(at, axis, index))
    }
    case 'grid':
      return withSide(pair, change.side, { shape: change.shape })
    case 'link':
      return { ...pair, linked: !pair.linked }
    case 'plane':
      return { ...pair, plane: change.plane }
    case 'sequence':
      return sharedSequences(pair).includes(change.sequence) ? { ...pair, sequence: change.sequence } : pair
    case 'window': {
      const windows = { ...pair.sides[change.side].windows, [change.sequence]: change.window }
      return withSide(pair, change.side, { windows })
    }
    case 'zoom':
      return { ...pair, zooms: { ...pair.zooms, [pair.plane]: change.zoom } }
    case 'zoom_by':
      return { ...pair, zooms: zoomedBy(pair.zooms, change.factor) }
    case 'fit':
      return { ...pair, zooms: { axial: FITTED, coronal: FITTED, sagittal: FITTED } }
    case 'crosshair':
      return { ...pair, crosshair: !pair.crosshair }
    case 'mask':
    case 'mask_shown':
    case 'next_drawing':
    case 'opacity_by':
    case 'hide':
      return { ...pair, mask: masked(pair.mask, change) }
  }
}

function withSide(pair: Pair, which: SideOf, change: Partial<Side>): Pair {
  const [first, second] = pair.sides
  return { ...pair, sides: which === 0 ? [{ ...first, ...change }, second] : [first, { ...second, ...change }] }
}

/** Goes to a place on one side, never out of its image; the other goes along, and back with it, even beyond its own edge. */
function moved(pair: Pair, which: SideOf, to: Vec3): Pair {
  const here = pair.sides[which]
  const there = pair.sides[which === 0 ? 1 : 0]
  const inside = (axis: 0 | 1 | 2) => Math.min(here.shape[axis] - 1, Math.max(0, to[axis]))
  const at: Vec3 = [inside(0), inside(1), inside(2)]
  const next = withSide(pair, which, { at })
  if (!pair.linked) return next
  const along = (axis: 0 | 1 | 2) =>
    there.at[axis] + ((at[axis] - here.at[axis]) * here.spacing[axis]) / there.spacing[axis]
  return withSide(next, which === 0 ? 1 : 0, { at: [along(0), along(1), along(2)] })
}
