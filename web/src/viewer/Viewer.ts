/** What the page asks of anything that draws a scene. React says what should be seen; the viewer makes it so. */

import type { Vec3 } from './space'

/** An event on a viewer's canvas: it draws at once, so that its pixels can be copied. */
export const REDRAW = 'glioscope:redraw'

/** The voxel under the pointer, in RAS order; null outside of the image. */
export type Cursor = Vec3 | null

export interface Viewer<S> {
  /** Draws a scene; resolves when all of it is there. Idempotent, loads only what is new, and the latest call wins. */
  show(scene: S): Promise<void>
  /** Hears where the pointer is; gives the function that stops it. */
  onCursor(listener: (at: Cursor) => void): () => void
  /** What is drawn now, as a PNG. */
  snapshot(): Promise<Blob>
  /** Gives back listeners, pictures and, where there is one, the WebGL context. */
  dispose(): void
}
