/** A pane on a 2D canvas: exact outlines, letters from the drawn transform, the same on every machine. */

import { type Contour, contoursOf } from './contour'
import type { Library } from './library'
import { type Pictures, paintPane, sliceOf } from './paintPane'
import { fillTable, type Ink } from './palette'
import { paneTransform, toVoxel } from './pane'
import type { ImageLook, MaskLook, PaneScene } from './Scene'
import { codeSlice, colourSlice, greySlice, type Pixels } from './slice'
import { clampVoxel, paneAxes, sameVec } from './space'
import type { Cursor, Viewer } from './Viewer'

/** Draws one scene at once, as far as it is there, with so many dots a CSS pixel: for paper. */
export function paintOnce(canvas: HTMLCanvasElement, library: Library, scene: PaneScene, dots: number): void {
  const viewer = createPaneViewer(canvas, library, () => dots)
  void viewer.show(scene)
  viewer.dispose()
}

/** Draws panes on `canvas` from what lies in the library; `dots` says how many of them a CSS pixel has. */
export function createPaneViewer(
  canvas: HTMLCanvasElement,
  library: Library,
  dots = () => window.devicePixelRatio || 1,
): Viewer<PaneScene> {
  const image = new Slot<CanvasImageSource>()
  const fill = new Slot<CanvasImageSource>()
  const outlines = new Slot<Pictures['outlines']>()
  const previews = new Previews()
  const listeners = new Set<(at: Cursor) => void>()
  let scene: PaneScene | null = null
  let generation = 0
  let gone = false

  const pictures = (now: PaneScene): Pictures => ({
    image: now.image ? imageOf(image, library, now, now.image) : null,
    preview: now.image?.preview ? previews.there(now.image.preview) : null,
    fill: now.mask ? fillOf(fill, library, now, now.mask) : null,
    outlines: now.mask ? (outlinesOf(outlines, library, now, now.mask) ?? []) : [],
  })

  const draw = () => {
    // Drawn by the processor: a slice a step is copied once, and without a graphics card it is twice as fast.
    const ctx = canvas.getContext('2d', { alpha: false, willReadFrequently: true })
    if (!scene || gone || !ctx) return
    const dpr = dots()
    const [width, height] = [Math.round(scene.frame.width * dpr), Math.round(scene.frame.height * dpr)]
    if (canvas.width !== width) canvas.width = width
    if (canvas.height !== height) canvas.height = height
    paintPane(ctx, scene, pictures(scene), dpr)
  }

  // The voxel under a resting pointer changes with the slice.
  let pointer: readonly [number, number] | null = null
  const tell = () => {
    if (!scene || !pointer) return
    const at = toVoxel(paneTransform(scene.frame), pointer[0], pointer[1], scene.cursor)
    const voxel = clampVoxel(at, scene.frame.grid.shape)
    const inside = sameVec(voxel, [Math.round(at[0]), Math.round(at[1]), Math.round(at[2])])
    for (const listener of listeners) listener(inside ? voxel : null)
  }
  const point = (event: PointerEvent) => {
    const box = canvas.getBoundingClientRect()
    pointer = [event.clientX - box.left, event.clientY - box.top]
    tell()
  }
  const leave = () => {
    pointer = null
    for (const listener of listeners) listener(null)
  }
  canvas.addEventListener('pointermove', point)
  canvas.addEventListener('pointerleave', leave)

  return {
    async show(next) {
      const mine = ++generation
      const moved = scene !== null && !sameVec(scene.cursor, next.cursor)
      scene = next
      draw()
      if (moved) tell()
      const waits: Promise<unknown>[] = []
      if (next.image && !library.volume(next.image.url)) {
        const failed = library.failure(next.image.url) !== null
        // Small panes wait for the volume if it may come: twenty pictures at once would hold it up.
        if (next.image.preview && (next.furniture || failed))
          waits.push(previews.load(next.image.preview).then(() => mine === generation && draw()))
        if (!failed) waits.push(library.loadVolume(next.image.url))
      }
      if (waits.length === 0) return
      await Promise.all(waits)
      if (mine === generation) draw()
    },
    onCursor(listener) {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
    snapshot() {
      draw()
      return new Promise((resolve, reject) =>
        canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the canvas gave no picture'))), 'image/png'),
      )
    },
    dispose() {
      gone = true
      generation++
      listeners.clear()
      canvas.removeEventListener('pointermove', point)
      canvas.removeEventListener('pointerleave', leave)
    },
  }
}

/** The last thing made, kept for as long as its name stays the same. */
class Slot<T> {
  #name = ''
  #value: T | null = null

  get(name: string, make: () => T): T {
    if (this.#value === null || this.#name !== name) {
      this.#value = make()
      this.#name = name
    }
    return this.#value
  }
}

/** The server's pictures, the latest few of them. */
class Previews {
  readonly #pictures = new Map<string, { image: HTMLImageElement; ready: Promise<void> }>()

  there(url: string): HTMLImageElement | null {
    const image = this.#pictures.get(url)?.image
    return image?.complete && image.naturalWidth > 0 ? image : null
  }

  load(url: string): Promise<void> {
    const known = this.#pictures.get(url)
    if (known) return known.ready
    const image = new Image()
    image.src = url
    // A picture that does not come leaves the pane black until the volume is there.
    const ready = image.decode().catch(() => undefined)
    this.#pictures.set(url, { image, ready })
    const oldest = this.#pictures.keys().next().value
    if (this.#pictures.size > 8 && oldest !== undefined) this.#pictures.delete(oldest)
    return ready
  }
}

function canvasOf({ width, height, rgba }: Pixels): HTMLCanvasElement {
  const canvas = document.createElement('canvas')
  canvas.width = width
  canvas.height = height
  canvas.getContext('2d', { willReadFrequently: true })?.putImageData(new ImageData(rgba, width, height), 0, 0)
  return canvas
}

function imageOf(
  slot: Slot<CanvasImageSource>,
  library: Library,
  scene: PaneScene,
  look: ImageLook,
): CanvasImageSource | null {
  const volume = library.volume(look.url)
  if (!volume) return null
  const { plane } = scene.frame
  const index = sliceOf(scene)
  const name = [look.url, plane, index, look.window.lo, look.window.hi].join(' ')
  return slot.get(name, () => canvasOf(greySlice(volume.values, volume.grid.shape, plane, index, look.window)))
}

function nameOf(library: Library, scene: PaneScene, mask: MaskLook): string {
  const inks = mask.inks.map(({ key, colour }) => `${key}${colour.join()}`).join()
  return [mask.key, library.revisionOf(mask.key), scene.frame.plane, sliceOf(scene), inks].join(' ')
}

function fillOf(
  slot: Slot<CanvasImageSource>,
  library: Library,
  scene: PaneScene,
  mask: MaskLook,
): CanvasImageSource | null {
  const labels = library.labels(mask.key)
  if (!labels || mask.drawing === 'outline') return null
  const { shape } = labels.grid
  const { plane } = scene.frame
  const [u, v] = paneAxes(plane)
  return slot.get(nameOf(library, scene, mask), () => {
    const codes = codeSlice(labels.values, shape, plane, sliceOf(scene))
    return canvasOf(colourSlice(codes, shape[u], shape[v], fillTable(mask.inks)))
  })
}

function outlinesOf(
  slot: Slot<Pictures['outlines']>,
  library: Library,
  scene: PaneScene,
  mask: MaskLook,
): Pictures['outlines'] | null {
  const labels = library.labels(mask.key)
  if (!labels || mask.drawing === 'fill') return null
  const { shape } = labels.grid
  const { plane } = scene.frame
  const [u, v] = paneAxes(plane)
  return slot.get(nameOf(library, scene, mask), () => {
    const codes = codeSlice(labels.values, shape, plane, sliceOf(scene))
    return mask.inks.map((ink) => ({ ink, contours: inkContours(codes, shape[u], shape[v], ink) }))
  })
}

function inkContours(codes: Uint8Array, width: number, height: number, ink: Ink): readonly Contour[] {
  return contoursOf(
    codes.map((code) => (ink.codes.includes(code) ? 1 : 0)),
    width,
    height,
  )
}
