/** Where voxels lie on the screen. One transform draws the image, places the crosshair, reads the mouse and names the sides. */

import {
  type Axis,
  type Convention,
  type Grid,
  mirrored,
  type Plane,
  paneAxes,
  throughAxis,
  type Vec3,
  withAxis,
} from './space'

/** What the reader has moved: 1 is fitted to the pane; the pan is in millimetres on the screen. */
export interface Zoom {
  readonly factor: number
  readonly pan: readonly [number, number]
}

export const FITTED: Zoom = { factor: 1, pan: [0, 0] }

export interface PaneFrame {
  readonly grid: Grid
  readonly plane: Plane
  readonly convention: Convention
  readonly width: number
  readonly height: number
  readonly zoom: Zoom
  /** What fills the pane at zoom 1: the brain, where it is known, else the whole slice. */
  readonly fit: Box | null
}

/** First and last voxel of a part of a volume. */
export type Box = readonly [Vec3, Vec3]

/** screen x = a·u + e, screen y = d·v + f, where u and v are voxel indices along the pane's axes. */
export interface PaneTransform {
  readonly plane: Plane
  readonly a: number
  readonly d: number
  readonly e: number
  readonly f: number
  readonly pixelsPerMm: number
}

/** Fits the slice to the pane, the right way round. Frontal and axial slices follow the convention; a sagittal one looks to the left. */
export function paneTransform(frame: PaneFrame): PaneTransform {
  const { grid, plane, convention, width, height, zoom } = frame
  const [u, v] = paneAxes(plane)
  const across = extent(frame, u)
  const along = extent(frame, v)
  const fit = Math.max(1e-6, Math.min(width / across.mm, height / along.mm))
  const scale = fit * zoom.factor
  const a = (mirrored(plane, convention) ? -1 : 1) * grid.spacing[u] * scale
  const d = -grid.spacing[v] * scale
  return {
    plane,
    a,
    d,
    e: width / 2 + zoom.pan[0] * scale - a * across.middle,
    f: height / 2 + zoom.pan[1] * scale - d * along.middle,
    pixelsPerMm: scale,
  }
}

const MARGIN = 1.08

/** The middle (a voxel) and the length of what fills the pane along an axis. */
function extent({ grid, fit }: PaneFrame, axis: Axis): { readonly middle: number; readonly mm: number } {
  const [first, last] = fit ? [fit[0][axis], fit[1][axis]] : [0, grid.shape[axis] - 1]
  const mm = (last - first + 1) * grid.spacing[axis]
  return { middle: (first + last) / 2, mm: fit ? mm * MARGIN : mm }
}

/** The screen point of a voxel, as the drawn slice shows it. */
export function toScreen(t: PaneTransform, voxel: Vec3): readonly [number, number] {
  const [u, v] = paneAxes(t.plane)
  return [t.a * voxel[u] + t.e, t.d * voxel[v] + t.f]
}

/** The voxel (not rounded) under a screen point, on the slice that the cursor lies in. */
export function toVoxel(t: PaneTransform, x: number, y: number, cursor: Vec3): Vec3 {
  const [u, v] = paneAxes(t.plane)
  return withAxis(withAxis(cursor, u, (x - t.e) / t.a), v, (y - t.f) / t.d)
}

export type Letter = 'R' | 'L' | 'A' | 'P' | 'S' | 'I'
export interface Sides {
  readonly left: Letter
  readonly right: Letter
  readonly top: Letter
  readonly bottom: Letter
}

const ENDS: readonly (readonly [Letter, Letter])[] = [
  ['L', 'R'],
  ['P', 'A'],
  ['I', 'S'],
]

/** The letters of the four sides, from the transform that draws and the affine that the file gave. */
export function sidesOf(t: PaneTransform, grid: Grid): Sides {
  const [u, v] = paneAxes(t.plane)
  const across = towards(grid, u, Math.sign(t.a))
  const down = towards(grid, v, Math.sign(t.d))
  return { left: across[0], right: across[1], top: down[0], bottom: down[1] }
}

/** What lies at the start and at the end of a walk along a voxel axis, forwards (1) or backwards (-1). */
function towards(grid: Grid, axis: Axis, sign: number): readonly [Letter, Letter] {
  const column = [grid.affine[0][axis], grid.affine[1][axis], grid.affine[2][axis]]
  let world = 0
  for (let r = 1; r < 3; r++) if (Math.abs(column[r] ?? 0) > Math.abs(column[world] ?? 0)) world = r
  const [low, high] = ENDS[world] ?? ['L', 'R']
  return (column[world] ?? 1) * sign > 0 ? [low, high] : [high, low]
}

/** Zooms so that the point under the pointer stays where it is. */
export function zoomAt(frame: PaneFrame, factor: number, x: number, y: number): Zoom {
  const before = paneTransform(frame)
  const next = Math.min(20, Math.max(0.5, frame.zoom.factor * factor))
  const grown = next / frame.zoom.factor
  const scale = before.pixelsPerMm * grown
  const [panX, panY] = frame.zoom.pan
  const move = (point: number, size: number, pan: number) => {
    const middle = size / 2 + pan * before.pixelsPerMm
    return (point + (middle - point) * grown - size / 2) / scale
  }
  return { factor: next, pan: [move(x, frame.width, panX), move(y, frame.height, panY)] }
}

/** The slice number of a plane at the cursor. */
export function sliceAt(plane: Plane, cursor: Vec3): number {
  return cursor[throughAxis(plane)]
}

/** A round length for the scale bar: the longest of 1, 2, 5, 10, 20, 50, 100 mm that fits into a share of the pane. */
export function scaleBar(pixelsPerMm: number, width: number): { readonly mm: number; readonly pixels: number } {
  let mm = 1
  for (const length of [1, 2, 5, 10, 20, 50, 100]) if (length * pixelsPerMm <= width * 0.28) mm = length
  return { mm, pixels: mm * pixelsPerMm }
}
