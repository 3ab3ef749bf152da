/** Draws one pane on a canvas: image, mask, crosshair, letters. */

import type { Contour } from './contour'
import { cssColour, type Ink } from './palette'
import { type PaneFrame, type PaneTransform, paneTransform, scaleBar, sidesOf, toScreen } from './pane'
import type { PaneScene, Probe, Ruler } from './Scene'
import { paneAxes, throughAxis } from './space'

/** What a scene's keys stand for at this moment. */
export interface Pictures {
  /** The slice in grey, one pixel a voxel. */
  readonly image: CanvasImageSource | null
  /** The server's picture of the slice, drawn the radiological way round. */
  readonly preview: CanvasImageSource | null
  readonly fill: CanvasImageSource | null
  readonly outlines: readonly { readonly ink: Ink; readonly contours: readonly Contour[] }[]
}

const HAIRLINE = 'rgb(0 0 0 / 0.75)'
const LETTER = '#f2f5f8'
const CROSSHAIR = 'rgb(90 169 230 / 0.9)'
const FONT = '"DejaVu Sans", system-ui, "Noto Sans CJK KR", sans-serif'

export function paintPane(ctx: CanvasRenderingContext2D, scene: PaneScene, pictures: Pictures, dpr: number): void {
  const { frame } = scene
  const t = paneTransform(frame)
  ctx.setTransform(dpr, 0, 0, dpr, 0, 0)
  ctx.fillStyle = '#000'
  ctx.fillRect(0, 0, frame.width, frame.height)
  paintImage(ctx, scene, pictures, t)
  paintMask(ctx, scene, pictures, t)
  if (scene.crosshair) paintCrosshair(ctx, scene, t)
  for (const ruler of scene.rulers) paintRuler(ctx, ruler, t)
  if (scene.ring) paintRing(ctx, scene.ring.at, scene.ring.mm, t)
  paintLetters(ctx, frame, t)
  if (scene.probe) paintProbe(ctx, scene.probe, frame, t)
  if (scene.furniture) paintFurniture(ctx, scene, t)
  else paintSmall(ctx, scene, t)
}

/** Runs `draw` with voxels as the unit: pixel (0, 0) of a slice's picture is the voxel (0, 0). */
function inVoxels(ctx: CanvasRenderingContext2D, t: PaneTransform, draw: () => void): void {
  ctx.save()
  ctx.transform(t.a, 0, 0, t.d, t.e, t.f)
  ctx.translate(-0.5, -0.5)
  draw()
  ctx.restore()
}

function paintImage(
  ctx: CanvasRenderingContext2D,
  { frame }: PaneScene,
  { image, preview }: Pictures,
  t: PaneTransform,
): void {
  ctx.imageSmoothingEnabled = true
  ctx.imageSmoothingQuality = 'high'
  if (image) {
    inVoxels(ctx, t, () => ctx.drawImage(image, 0, 0))
    return
  }
  if (!preview) return
  const [u, v] = paneAxes(frame.plane)
  const [width, height] = [Math.abs(t.a) * frame.grid.shape[u], Math.abs(t.d) * frame.grid.shape[v]]
  ctx.save()
  ctx.translate(t.e + (t.a * (frame.grid.shape[u] - 1)) / 2, t.f + (t.d * (frame.grid.shape[v] - 1)) / 2)
  if (t.a > 0) ctx.scale(-1, 1)
  ctx.drawImage(preview, -width / 2, -height / 2, width, height)
  ctx.restore()
}

function paintMask(
  ctx: CanvasRenderingContext2D,
  { mask }: PaneScene,
  { fill, outlines }: Pictures,
  t: PaneTransform,
): void {
  if (!mask) return
  if (fill && mask.drawing !== 'outline') {
    ctx.save()
    ctx.globalAlpha = mask.opacity
    ctx.imageSmoothingEnabled = false
    inVoxels(ctx, t, () => ctx.drawImage(fill, 0, 0))
    ctx.restore()
  }
  if (mask.drawing === 'fill') return
  ctx.save()
  ctx.lineJoin = 'round'
  for (const { ink, contours } of outlines) {
    const path = pathOf(contours, t)
    ctx.setLineDash([])
    ctx.strokeStyle = HAIRLINE
    ctx.lineWidth = 3
    ctx.stroke(path)
    ctx.setLineDash([...ink.dash])
    ctx.strokeStyle = cssColour(ink.colour)
    ctx.lineWidth = 1.5
    ctx.stroke(path)
  }
  ctx.restore()
}

function pathOf(contours: readonly Contour[], t: PaneTransform): Path2D {
  const path = new Path2D()
  for (const contour of contours) {
    for (const [i, [u, v]] of contour.entries()) {
      if (i === 0) path.moveTo(t.a * u + t.e, t.d * v + t.f)
      else path.lineTo(t.a * u + t.e, t.d * v + t.f)
    }
    path.closePath()
  }
  return path
}

/** Two lines that leave the point itself free. */
function paintCrosshair(ctx: CanvasRenderingContext2D, { frame, cursor }: PaneScene, t: PaneTransform): void {
  const [x, y] = toScreen(t, cursor)
  const gap = 10
  ctx.strokeStyle = CROSSHAIR
  ctx.lineWidth = 1
  ctx.beginPath()
  ctx.moveTo(x, 0)
  ctx.lineTo(x, y - gap)
  ctx.moveTo(x, y + gap)
  ctx.lineTo(x, frame.height)
  ctx.moveTo(0, y)
  ctx.lineTo(x - gap, y)
  ctx.moveTo(x + gap, y)
  ctx.lineTo(frame.width, y)
  ctx.stroke()
}

function paintRuler(ctx: CanvasRenderingContext2D, ruler: Ruler, t: PaneTransform): void {
  const [x0, y0] = toScreen(t, ruler.from)
  const [x1, y1] = toScreen(t, ruler.to)
  const line = (style: string, width: number) => {
    ctx.strokeStyle = style
    ctx.lineWidth = width
    ctx.beginPath()
    ctx.moveTo(x0, y0)
    ctx.lineTo(x1, y1)
    for (const [x, y] of [
      [x0, y0],
      [x1, y1],
    ] as const) {
      ctx.moveTo(x - 4, y)
      ctx.lineTo(x + 4, y)
      ctx.moveTo(x, y - 4)
      ctx.lineTo(x, y + 4)
    }
    ctx.stroke()
  }
  line(HAIRLINE, 3.5)
  line('#f2b544', 1.5)
  write(ctx, ruler.text, Math.max(x0, x1) + 8, (y0 + y1) / 2, 'left', '#f2b544')
}

function paintRing(ctx: CanvasRenderingContext2D, at: PaneScene['cursor'], mm: number, t: PaneTransform): void {
  const [x, y] = toScreen(t, at)
  for (const [style, width] of [
    [HAIRLINE, 3],
    ['#fff', 1],
  ] as const) {
    ctx.strokeStyle = style
    ctx.lineWidth = width
    ctx.beginPath()
    ctx.arc(x, y, Math.max(2, (mm / 2) * t.pixelsPerMm), 0, 2 * Math.PI)
    ctx.stroke()
  }
}

/** A cross under the finger, and the words where the finger does not hide them. */
function paintProbe(ctx: CanvasRenderingContext2D, probe: Probe, frame: PaneFrame, t: PaneTransform): void {
  const [x, y] = toScreen(t, probe.at)
  for (const [style, width] of [
    [HAIRLINE, 4],
    ['#fff', 1.5],
  ] as const) {
    ctx.strokeStyle = style
    ctx.lineWidth = width
    ctx.beginPath()
    ctx.moveTo(x - 12, y)
    ctx.lineTo(x + 12, y)
    ctx.moveTo(x, y - 12)
    ctx.lineTo(x, y + 12)
    ctx.stroke()
  }
  ctx.font = `bold 15px ${FONT}`
  ctx.textBaseline = 'middle'
  const half = ctx.measureText(probe.text).width / 2 + 8
  const inside = Math.min(Math.max(x, half), Math.max(half, frame.width - half))
  write(ctx, probe.text, inside, y > 90 ? y - 60 : y + 60, 'center')
}

function write(
  ctx: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  align: CanvasTextAlign,
  colour = LETTER,
): void {
  ctx.textAlign = align
  ctx.lineWidth = 3
  ctx.lineJoin = 'round'
  ctx.strokeStyle = HAIRLINE
  ctx.strokeText(text, x, y)
  ctx.fillStyle = colour
  ctx.fillText(text, x, y)
}

function paintLetters(ctx: CanvasRenderingContext2D, frame: PaneFrame, t: PaneTransform): void {
  const sides = sidesOf(t, frame.grid)
  const { width, height } = frame
  const size = width < 150 ? 10 : 14
  ctx.font = `bold ${size}px ${FONT}`
  ctx.textBaseline = 'middle'
  write(ctx, sides.left, 6, height / 2, 'left')
  write(ctx, sides.right, width - 6, height / 2, 'right')
  write(ctx, sides.top, width / 2, size * 0.8, 'center')
  write(ctx, sides.bottom, width / 2, height - size * 0.7, 'center')
}

/** A small slice says which one it is and how large things are in it. */
function paintSmall(ctx: CanvasRenderingContext2D, scene: PaneScene, t: PaneTransform): void {
  const { width, height } = scene.frame
  ctx.font = `10px ${FONT}`
  ctx.textBaseline = 'middle'
  write(ctx, scene.text.slice, 6, height - 9, 'left')
  const bar = scaleBar(t.pixelsPerMm, width)
  paintBar(ctx, width - 6 - bar.pixels, height - 6, bar.pixels)
  write(ctx, `${bar.mm} mm`, width - 6, height - 17, 'right')
}

/** The bar of a scale, from its lower left corner on. */
function paintBar(ctx: CanvasRenderingContext2D, x: number, y: number, pixels: number): void {
  for (const [style, thick] of [
    [HAIRLINE, 4],
    [LETTER, 2],
  ] as const) {
    ctx.strokeStyle = style
    ctx.lineWidth = thick
    ctx.beginPath()
    ctx.moveTo(x, y - 4)
    ctx.lineTo(x, y)
    ctx.lineTo(x + pixels, y)
    ctx.lineTo(x + pixels, y - 4)
    ctx.stroke()
  }
}

/** Below this width of a pane, in CSS pixels, its words would cover its letters. */
const NARROW = 260

function paintFurniture(ctx: CanvasRenderingContext2D, scene: PaneScene, t: PaneTransform): void {
  const { width, height } = scene.frame
  const narrow = width < NARROW
  ctx.font = `${narrow ? 11 : 12}px ${FONT}`
  ctx.textBaseline = 'middle'
  // The letters are never covered: in a narrow pane words stand in the corners only.
  write(ctx, narrow ? (scene.text.title.split(' · ')[0] ?? '') : scene.text.title, narrow ? 4 : 8, 13, 'left')
  write(ctx, scene.text.slice, width - (narrow ? 4 : 8), narrow ? 13 : height - 12, 'right')
  const bar = scaleBar(t.pixelsPerMm, width)
  const y = height - 9
  paintBar(ctx, 8, y, bar.pixels)
  if (narrow) write(ctx, `${bar.mm} mm`, 8, y - 13, 'left')
  else write(ctx, `${bar.mm} mm`, 14 + bar.pixels, y - 4, 'left')
}

/** The number of the slice that a scene shows, counted from 0. */
export function sliceOf({ frame, cursor }: PaneScene): number {
  return cursor[throughAxis(frame.plane)]
}
