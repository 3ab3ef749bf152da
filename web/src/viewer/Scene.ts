/** What a pane shows, as plain data. */

import type { Ink } from './palette'
import type { PaneFrame } from './pane'
import type { Window } from './slice'
import type { Vec3 } from './space'

/** A series: its volume, and a picture of this slice that the server draws, for as long as the volume is not there. */
export interface ImageLook {
  readonly url: string
  readonly preview: string | null
  readonly window: Window
}

export type Drawing = 'outline' | 'fill' | 'both'

/** A mask in the library, and how it is drawn. */
export interface MaskLook {
  readonly key: string
  readonly inks: readonly Ink[]
  readonly drawing: Drawing
  /** 0 to 1. */
  readonly opacity: number
}

/** A distance between two points of one slice. */
export interface Ruler {
  readonly from: Vec3
  readonly to: Vec3
  readonly text: string
}

/** The ring that shows where a brush would paint. */
export interface BrushRing {
  readonly at: Vec3
  readonly mm: number
}

/** What lies under a finger, told beside it. */
export interface Probe {
  readonly at: Vec3
  readonly text: string
}

/** Words that are drawn into the pane, so that they are in every picture. */
export interface PaneText {
  readonly title: string
  readonly slice: string
}

export interface PaneScene {
  readonly frame: PaneFrame
  /** The slice, and where the crosshair is. */
  readonly cursor: Vec3
  readonly image: ImageLook | null
  readonly mask: MaskLook | null
  readonly crosshair: boolean
  /** The title and room for all words; a small slice of a mosaic has its letters, number and scale bar alone. */
  readonly furniture: boolean
  readonly rulers: readonly Ruler[]
  readonly ring: BrushRing | null
  readonly probe: Probe | null
  readonly text: PaneText
  /** Changes with each change of volumes and masks that are not told by a key. */
  readonly revision: number
}

/** One surface of the 3D view. */
export interface SurfaceLook {
  readonly key: string
  readonly mask: string
  readonly codes: readonly number[]
  readonly colour: readonly [number, number, number]
  readonly opacity: number
}

export interface SurfaceScene {
  readonly surfaces: readonly SurfaceLook[]
  /** A series whose brain is drawn as a shell around the tumour. */
  readonly brain: string | null
  readonly revision: number
}
