/** From what the reader looks at to what a pane draws. */

import type { SequenceKey, Series } from '../api/types'
import type { Settings } from '../app/settings'
import { type ColourSet, DIFFERENCE_INKS, type Ink, regionInks, tissueInks } from '../viewer/palette'
import { type Box, FITTED } from '../viewer/pane'
import type { BrushRing, ImageLook, MaskLook, PaneScene, Probe, Ruler } from '../viewer/Scene'
import type { Window } from '../viewer/slice'
import { type Grid, sameVec, throughAxis, type Vec3, withAxis } from '../viewer/space'
import type { Words } from '../words/useWords'
import type { PaneSpec } from './arrangement'
import type { MaskView, RulerLine, Scene } from './scene'

/** Everything that panes share. */
export interface Look {
  readonly scene: Scene
  readonly grid: Grid
  /** Whether the grid's place in the patient is known, not only its shape. */
  readonly placed: boolean
  readonly series: readonly Series[]
  readonly settings: Settings
  readonly words: Words
  /** Keys of the masks in the library; null where there is none. */
  readonly masks: Readonly<Record<PaneSpec['mask'], string | null>>
  /** The address of the server's picture of a slice. */
  readonly preview: (series: Series, spec: PaneSpec, slice: number) => string
  /** The brain's box, which fills the panes. */
  readonly fit: Box | null
  readonly revision: number
}

export interface PaneSize {
  readonly width: number
  readonly height: number
}

/** What follows the pointer in one pane. */
export interface Pointed {
  readonly ring: BrushRing | null
  readonly probe: Probe | null
}
const NOT_POINTED: Pointed = { ring: null, probe: null }

export function paneSceneOf(look: Look, spec: PaneSpec, size: PaneSize, pointed: Pointed = NOT_POINTED): PaneScene {
  const { scene, grid, words } = look
  const axis = throughAxis(spec.plane)
  const cursor = spec.slice === null ? scene.cursor : withAxis(scene.cursor, axis, spec.slice)
  return {
    frame: {
      grid,
      plane: spec.plane,
      convention: look.settings.display,
      ...size,
      zoom: spec.small ? FITTED : scene.zooms[spec.plane],
      fit: look.fit,
    },
    cursor,
    image: imageOf(look, spec, cursor[axis]),
    mask: maskOf(look, spec),
    crosshair: scene.crosshair && !spec.small,
    furniture: !spec.small,
    rulers: (scene.measuring ? [...scene.rulers, scene.measuring] : scene.rulers)
      .filter((line) => line.plane === spec.plane && line.from[axis] === cursor[axis])
      .map((line) => rulerOf(line, look)),
    ...pointed,
    text: {
      title: titleOf(look, spec),
      slice: `${'xyz'[axis] ?? ''} ${words.number(cursor[axis] + 1)} / ${words.number(grid.shape[axis])}`,
    },
    revision: look.revision,
  }
}

function titleOf({ words }: Look, spec: PaneSpec): string {
  const plane = words.named(`plane.${spec.plane}`)
  const what = spec.mask === 'shown' ? words.named(`sequence.${spec.sequence}`) : words.named(`study.pane.${spec.mask}`)
  return `${plane} · ${what}`
}

/** The window that a sequence is drawn with: the reader's, or the one that the server measured. */
export function windowOf(scene: Scene, series: Series): Window {
  return scene.windows[series.sequence] ?? { lo: series.window[0], hi: series.window[1] }
}

export function seriesOf(series: readonly Series[], sequence: SequenceKey): Series | null {
  return series.find((one) => one.sequence === sequence) ?? null
}

function imageOf(look: Look, spec: PaneSpec, slice: number): ImageLook | null {
  const series = seriesOf(look.series, spec.sequence)
  if (!series) return null
  return {
    url: series.url,
    preview: look.preview(series, spec, slice),
    window: windowOf(look.scene, series),
  }
}

function maskOf({ scene, masks, settings }: Look, spec: PaneSpec): MaskLook | null {
  const key = masks[spec.mask]
  if (!scene.mask.shown || key === null) return null
  const inks = spec.mask === 'difference' ? DIFFERENCE_INKS : inksOf(scene.mask, settings.colours)
  return {
    key,
    inks,
    drawing: scene.mask.drawing,
    opacity: scene.mask.drawing === 'fill' ? Math.max(0.4, scene.mask.opacity) : scene.mask.opacity,
  }
}

/** The inks of what the reader has not hidden. */
export function inksOf(mask: MaskView, colours: ColourSet): readonly Ink[] {
  const inks = mask.by === 'tissue' ? tissueInks(colours) : regionInks(colours)
  return inks.filter((ink) => !mask.hidden.includes(`${mask.by}.${ink.key}`))
}

/** The length of a line between two voxels. */
export function lengthOf({ from, to }: { readonly from: Vec3; readonly to: Vec3 }, { spacing }: Grid): number {
  return Math.hypot((to[0] - from[0]) * spacing[0], (to[1] - from[1]) * spacing[1], (to[2] - from[2]) * spacing[2])
}

function rulerOf(line: RulerLine, { words, grid }: Look): Ruler {
  return {
    from: line.from,
    to: line.to,
    text: sameVec(line.from, line.to) ? '' : `${words.number(lengthOf(line, grid), 1)} mm`,
  }
}
