/** What the reader is looking at: one reducer, plain data. */

import type { SequenceKey } from '../api/types'
import { nextSize, type Tip } from '../viewer/edit/brush'
import type { PaintRule } from '../viewer/edit/rule'
import type { Tool } from '../viewer/gesture'
import { FITTED, type Zoom } from '../viewer/pane'
import type { Drawing } from '../viewer/Scene'
import type { Window } from '../viewer/slice'
import { clampVoxel, type Plane, sameVec, throughAxis, type Vec3, withAxis } from '../viewer/space'

export const LAYOUTS = ['four', 'three', 'reading', 'sequences', 'mosaic', 'compare'] as const
export type Layout = (typeof LAYOUTS)[number] | 'single'
export type Tissue = 1 | 2 | 3

export interface MaskView {
  readonly shown: boolean
  readonly drawing: Drawing
  readonly opacity: number
  readonly by: 'tissue' | 'region'
  /** Keys of tissues and regions that are not drawn: `tissue.ed`, `region.wt`. */
  readonly hidden: readonly string[]
}

export interface Brush {
  readonly tip: Tip
  readonly tissue: Tissue
  readonly rule: PaintRule
}

export interface RulerLine {
  readonly plane: Plane
  readonly from: Vec3
  readonly to: Vec3
}

export interface Scene {
  readonly shape: Vec3
  readonly cursor: Vec3
  readonly sequence: SequenceKey
  readonly sequences: readonly SequenceKey[]
  /** Looked at before this one: what blinking shows. */
  readonly other: SequenceKey
  readonly blinking: boolean
  readonly layout: Layout
  /** Where a double click goes back to. */
  readonly before: Layout
  /** The plane of layouts with one plane, and of the keys. */
  readonly plane: Plane
  readonly windows: Readonly<Partial<Record<SequenceKey, Window>>>
  readonly zooms: Readonly<Record<Plane, Zoom>>
  readonly mask: MaskView
  /** The version on screen; null is the newest. */
  readonly version: string | null
  readonly against: string | null
  readonly crosshair: boolean
  readonly panels: boolean
  readonly tool: Tool
  readonly brush: Brush
  readonly rulers: readonly RulerLine[]
  readonly measuring: RulerLine | null
}

/** What changes how masks are drawn. */
export type MaskChange =
  | { kind: 'mask'; mask: Partial<MaskView> }
  | { kind: 'mask_shown' }
  | { kind: 'next_drawing' }
  | { kind: 'opacity_by'; by: number }
  | { kind: 'hide'; key: string }

export type Change =
  | { kind: 'cursor'; at: Vec3 }
  | { kind: 'step'; plane: Plane; by: number }
  | { kind: 'slice'; plane: Plane; index: number }
  | { kind: 'sequence'; sequence: SequenceKey }
  | { kind: 'next_sequence' }
  | { kind: 'blink'; on: boolean }
  | { kind: 'layout'; layout: Layout }
  /** `but`: one that has nothing to show. */
  | { kind: 'next_layout'; but?: Layout | undefined }
  | { kind: 'enlarge'; plane: Plane }
  | { kind: 'plane'; plane: Plane }
  | { kind: 'window'; sequence: SequenceKey; window: Window | null }
  | { kind: 'zoom'; plane: Plane; zoom: Zoom }
  | { kind: 'zoom_by'; factor: number }
  | { kind: 'fit' }
  | MaskChange
  | { kind: 'version'; version: string | null }
  | { kind: 'against'; version: string | null }
  | { kind: 'crosshair' }
  | { kind: 'panels' }
  | { kind: 'tool'; tool: Tool }
  | { kind: 'brush'; brush: Partial<Brush> }
  | { kind: 'brush_size'; step: 1 | -1 }
  /** A line being drawn replaces itself until it is done. */
  | { kind: 'ruler'; ruler: RulerLine; end: 'moving' | 'done' }
  | { kind: 'no_rulers' }
  /** The volume is there: its shape and, unless the reader has moved, where to begin. */
  | { kind: 'grid'; shape: Vec3; cursor: Vec3 | null }

export interface Start {
  readonly shape: Vec3
  readonly cursor: Vec3
  readonly sequences: readonly SequenceKey[]
}

const ORDER: readonly SequenceKey[] = ['t1n', 't1c', 't2w', 't2f']

/** The first look at a study: FLAIR, the crosshair on the tumour, everything fitted, the mask on. */
export function opened({ shape, cursor, sequences }: Start): Scene {
  const there = ORDER.filter((sequence) => sequences.includes(sequence))
  const sequence = there.includes('t2f') ? 't2f' : (there[0] ?? 't2f')
  return {
    shape,
    cursor: clampVoxel(cursor, shape),
    sequence,
    sequences: there,
    other: there.includes('t1c') ? 't1c' : sequence,
    blinking: false,
    layout: 'four',
    before: 'four',
    plane: 'axial',
    windows: {},
    zooms: { axial: FITTED, coronal: FITTED, sagittal: FITTED },
    mask: { shown: true, drawing: 'both', opacity: 0.15, by: 'tissue', hidden: [] },
    version: null,
    against: null,
    crosshair: true,
    panels: true,
    tool: 'cursor',
    brush: { tip: { shape: 'disc', mm: 6 }, tissue: 3, rule: { over: 'everything', above: null, below: null } },
    rulers: [],
    measuring: null,
  }
}

/** The sequence that is drawn now. */
export function drawnSequence(scene: Scene): SequenceKey {
  return scene.blinking ? scene.other : scene.sequence
}

export function reduce(scene: Scene, change: Change): Scene {
  switch (change.kind) {
    case 'cursor':
    case 'step':
    case 'slice':
      return moved(scene, targetOf(scene, change))
    case 'sequence':
    case 'next_sequence':
    case 'blink':
      return sequenced(scene, change)
    case 'layout':
    case 'next_layout':
    case 'enlarge':
    case 'plane':
      return laidOut(scene, change)
    case 'window':
      return { ...scene, windows: withWindow(scene, change.sequence, change.window) }
    case 'zoom':
      return { ...scene, zooms: { ...scene.zooms, [change.plane]: change.zoom } }
    case 'zoom_by':
      return { ...scene, zooms: zoomedBy(scene.zooms, change.factor) }
    case 'fit':
      return { ...scene, zooms: { axial: FITTED, coronal: FITTED, sagittal: FITTED } }
    case 'mask':
    case 'mask_shown':
    case 'next_drawing':
    case 'opacity_by':
    case 'hide':
      return { ...scene, mask: masked(scene.mask, change) }
    case 'version':
      return { ...scene, version: change.version }
    case 'against':
      return { ...scene, against: change.version, layout: change.version === null ? scene.layout : 'compare' }
    case 'crosshair':
      return { ...scene, crosshair: !scene.crosshair }
    case 'panels':
      return { ...scene, panels: !scene.panels }
    case 'tool':
      return { ...scene, tool: change.tool === scene.tool ? 'cursor' : change.tool }
    case 'brush':
      return { ...scene, brush: { ...scene.brush, ...change.brush } }
    case 'brush_size': {
      const tip = { ...scene.brush.tip, mm: nextSize(scene.brush.tip.mm, change.step) }
      return { ...scene, brush: { ...scene.brush, tip } }
    }
    case 'ruler':
      return change.end === 'moving'
        ? { ...scene, measuring: change.ruler }
        : { ...scene, measuring: null, rulers: [...scene.rulers, change.ruler] }
    case 'no_rulers':
      return { ...scene, rulers: [], measuring: null }
    case 'grid':
      return { ...scene, shape: change.shape, cursor: clampVoxel(change.cursor ?? scene.cursor, change.shape) }
  }
}

type Of<K extends Change['kind']> = Extract<Change, { kind: K }>

function targetOf(scene: Scene, change: Of<'cursor' | 'step' | 'slice'>): Vec3 {
  switch (change.kind) {
    case 'cursor':
      return change.at
    case 'step': {
      const axis = throughAxis(change.plane)
      return withAxis(scene.cursor, axis, scene.cursor[axis] + change.by)
    }
    case 'slice':
      return withAxis(scene.cursor, throughAxis(change.plane), change.index)
  }
}

function moved(scene: Scene, to: Vec3): Scene {
  const cursor = clampVoxel(to, scene.shape)
  return sameVec(cursor, scene.cursor) ? scene : { ...scene, cursor }
}

function sequenced(scene: Scene, change: Of<'sequence' | 'next_sequence' | 'blink'>): Scene {
  if (change.kind === 'blink') return scene.blinking === change.on ? scene : { ...scene, blinking: change.on }
  const { sequences, sequence } = scene
  const next =
    change.kind === 'sequence'
      ? change.sequence
      : (sequences[(sequences.indexOf(sequence) + 1) % Math.max(1, sequences.length)] ?? sequence)
  if (next === sequence || !sequences.includes(next)) return scene
  return { ...scene, sequence: next, other: sequence }
}

function laidOut(scene: Scene, change: Of<'layout' | 'next_layout' | 'enlarge' | 'plane'>): Scene {
  switch (change.kind) {
    case 'layout':
      return { ...scene, layout: change.layout, before: scene.layout === 'single' ? scene.before : scene.layout }
    case 'next_layout': {
      const layouts: readonly Layout[] = LAYOUTS.filter((layout) => layout !== change.but)
      const at = layouts.indexOf(scene.layout)
      return { ...scene, layout: layouts[(at + 1) % layouts.length] ?? 'four' }
    }
    case 'enlarge':
      return scene.layout === 'single'
        ? { ...scene, layout: scene.before, plane: change.plane }
        : { ...scene, layout: 'single', before: scene.layout, plane: change.plane }
    case 'plane':
      return scene.plane === change.plane ? scene : { ...scene, plane: change.plane }
  }
}

function withWindow(scene: Scene, sequence: SequenceKey, window: Window | null): Scene['windows'] {
  const { [sequence]: _, ...others } = scene.windows
  return window ? { ...others, [sequence]: window } : others
}

export function zoomedBy(zooms: Scene['zooms'], by: number): Scene['zooms'] {
  const one = (zoom: Zoom): Zoom => ({ ...zoom, factor: Math.min(20, Math.max(0.5, zoom.factor * by)) })
  return { axial: one(zooms.axial), coronal: one(zooms.coronal), sagittal: one(zooms.sagittal) }
}

const DRAWINGS: readonly Drawing[] = ['outline', 'fill', 'both']

export function masked(mask: MaskView, change: MaskChange): MaskView {
  switch (change.kind) {
    case 'mask':
      return { ...mask, ...change.mask }
    case 'mask_shown':
      return { ...mask, shown: !mask.shown }
    case 'next_drawing':
      return { ...mask, drawing: DRAWINGS[(DRAWINGS.indexOf(mask.drawing) + 1) % 3] ?? 'both' }
    case 'opacity_by':
      return { ...mask, opacity: Math.min(1, Math.max(0, Math.round((mask.opacity + change.by) * 20) / 20)) }
    case 'hide': {
      const hidden = mask.hidden.includes(change.key)
        ? mask.hidden.filter((key) => key !== change.key)
        : [...mask.hidden, change.key]
      return { ...mask, hidden }
    }
  }
}
