/** Mouse, pen and fingers on a pane, told as deeds in voxels. */

import { type Deed, deedOf, type Habit, type Tool, Wheel } from './gesture'
import { type PaneFrame, paneTransform, toVoxel, type Zoom, zoomAt } from './pane'
import type { Window } from './slice'
import { throughAxis, type Vec3 } from './space'
import { draggedWindow } from './window'

/** What the gestures are read against; asked anew at each event. */
export interface Hand {
  readonly frame: PaneFrame
  readonly cursor: Vec3
  readonly tool: Tool
  readonly habit: Habit
  readonly window: Window
}

/** What a pane's owner does. Points are voxels, not rounded. */
export interface Deeds {
  cursor(at: Vec3): void
  step(by: number): void
  window(window: Window): void
  zoom(zoom: Zoom): void
  ruler(from: Vec3, to: Vec3, end: 'moving' | 'done'): void
  paint(from: Vec3, to: Vec3, deed: 'paint' | 'erase', phase: 'begin' | 'move' | 'end' | 'abandon'): void
  fill(at: Vec3, erase: 'fill' | 'erase'): void
  pick(at: Vec3): void
  hover(at: Vec3 | null): void
  /** A finger rests on a point to read it; null when it leaves. */
  probe(at: Vec3 | null): void
  enlarge(): void
}

interface Drag {
  readonly deed: Deed
  readonly id: number
  readonly start: readonly [number, number]
  readonly from: Vec3
  readonly window: Window
  readonly zoom: Zoom
  last: Vec3
  lastY: number
  moved: boolean
}

type Point = readonly [number, number]

/** How long a finger rests before it reads instead of scrolls, in ms. */
const LONG = 450
/** Pixels that a resting finger trembles. */
const TREMBLE = 8

interface Pinch {
  readonly distance: number
  readonly middle: Point
  /** The pane as it was when the second finger came: later frames may lag behind the fingers. */
  readonly frame: PaneFrame
}

/** Listens on `canvas` until the given function is called. */
export function attachGestures(canvas: HTMLCanvasElement, hand: () => Hand, deeds: Deeds): () => void {
  const wheel = new Wheel()
  const fingers = new Map<number, Point>()
  let drag: Drag | null = null
  let pinch: Pinch | null = null
  let probing: ReturnType<typeof setTimeout> | 'yes' | null = null

  const pointOf = (event: MouseEvent): Point => {
    const box = canvas.getBoundingClientRect()
    return [event.clientX - box.left, event.clientY - box.top]
  }
  const voxelAt = ([x, y]: Point): Vec3 => {
    const { frame, cursor } = hand()
    return toVoxel(paneTransform(frame), x, y, cursor)
  }
  const isTouch = (event: PointerEvent) => event.pointerType === 'touch'

  const down = (event: PointerEvent) => {
    const at = pointOf(event)
    if (isTouch(event)) {
      fingers.set(event.pointerId, at)
      if (fingers.size > 1) {
        secondFinger()
        return
      }
    }
    const { tool, habit, window, frame } = hand()
    const deed = deedOf(
      { button: event.button, shift: event.shiftKey, ctrl: event.ctrlKey || event.metaKey },
      tool,
      isTouch(event) ? 'itksnap' : habit,
    )
    if (deed === null || drag) return
    event.preventDefault()
    canvas.focus({ preventScroll: true })
    canvas.setPointerCapture?.(event.pointerId)
    const from = voxelAt(at)
    drag = {
      deed,
      id: event.pointerId,
      start: at,
      from,
      window,
      zoom: frame.zoom,
      last: from,
      lastY: at[1],
      moved: false,
    }
    begin(drag, event)
    if (isTouch(event) && deed === 'cursor') probing = setTimeout(() => probe(at), LONG)
  }

  const probe = (at: Point) => {
    probing = 'yes'
    deeds.probe(voxelAt(at))
  }
  const endProbe = (): 'probed' | 'not probed' => {
    const was = probing
    probing = null
    if (was !== null && was !== 'yes') clearTimeout(was)
    if (was !== 'yes') return 'not probed'
    deeds.probe(null)
    return 'probed'
  }

  /** Two fingers zoom: what the first one began by itself was not meant. */
  const secondFinger = () => {
    endProbe()
    if (drag && (drag.deed === 'paint' || drag.deed === 'erase'))
      deeds.paint(drag.last, drag.last, drag.deed, 'abandon')
    else if (drag) end(drag)
    drag = null
    const both = pinchOf(fingers)
    pinch = both && { ...both, frame: hand().frame }
  }

  const begin = (now: Drag, event: PointerEvent) => {
    if (now.deed === 'cursor' && !isTouch(event)) deeds.cursor(now.from)
    if (now.deed === 'paint' || now.deed === 'erase') deeds.paint(now.from, now.from, now.deed, 'begin')
    // A finger may be the first of two: it fills and picks when it is lifted.
    if (!isTouch(event)) press(now, event)
  }
  const press = (now: Drag, event: PointerEvent) => {
    if (now.deed === 'fill') deeds.fill(now.from, event.ctrlKey ? 'erase' : 'fill')
    if (now.deed === 'pick') deeds.pick(now.from)
  }

  const move = (event: PointerEvent) => {
    const at = pointOf(event)
    if (fingers.has(event.pointerId)) fingers.set(event.pointerId, at)
    if (pinch && fingers.size === 2) {
      movePinch(pinch)
      return
    }
    deeds.hover(voxelAt(at))
    if (!drag || event.pointerId !== drag.id) return
    drag.moved ||= Math.hypot(at[0] - drag.start[0], at[1] - drag.start[1]) > (isTouch(event) ? TREMBLE : 4)
    if (probing === 'yes') {
      probe(at)
      return
    }
    if (drag.moved) endProbe()
    if (isTouch(event) && drag.deed === 'cursor') scrollByFinger(drag, at)
    else during(drag, at)
  }

  const scrollByFinger = (now: Drag, at: Point) => {
    const steps = Math.trunc((at[1] - now.lastY) / 8)
    if (steps === 0) return
    now.lastY += steps * 8
    deeds.step(-steps)
  }

  const movePinch = (from: Pinch) => {
    const next = pinchOf(fingers)
    if (!next) return
    const zoom = zoomAt(from.frame, next.distance / from.distance, from.middle[0], from.middle[1])
    const scale = paneTransform({ ...from.frame, zoom }).pixelsPerMm
    const [dx, dy] = [next.middle[0] - from.middle[0], next.middle[1] - from.middle[1]]
    deeds.zoom({ factor: zoom.factor, pan: [zoom.pan[0] + dx / scale, zoom.pan[1] + dy / scale] })
  }

  const during = (now: Drag, at: Point) => {
    const [dx, dy] = [at[0] - now.start[0], at[1] - now.start[1]]
    const { frame } = hand()
    const voxel = voxelAt(at)
    switch (now.deed) {
      case 'cursor':
        deeds.cursor(voxel)
        break
      case 'window':
        if (now.moved) deeds.window(draggedWindow(now.window, dx, dy))
        break
      case 'zoom':
        deeds.zoom(zoomAt({ ...frame, zoom: now.zoom }, Math.exp(-dy / 150), now.start[0], now.start[1]))
        break
      case 'pan': {
        const scale = paneTransform(frame).pixelsPerMm
        deeds.zoom({ factor: now.zoom.factor, pan: [now.zoom.pan[0] + dx / scale, now.zoom.pan[1] + dy / scale] })
        break
      }
      case 'ruler':
        deeds.ruler(now.from, voxel, 'moving')
        break
      case 'paint':
      case 'erase':
        // The wheel may have turned under the brush: a stroke does not run through the slices between.
        deeds.paint(sliceOf(frame, now.last) === sliceOf(frame, voxel) ? now.last : voxel, voxel, now.deed, 'move')
        break
      case 'fill':
      case 'pick':
        break
    }
    now.last = voxel
  }

  const end = (now: Drag) => {
    if (now.deed === 'ruler' && now.moved) deeds.ruler(now.from, now.last, 'done')
    if (now.deed === 'paint' || now.deed === 'erase') deeds.paint(now.last, now.last, now.deed, 'end')
  }
  const tap = (now: Drag, event: PointerEvent) => {
    if (isTouch(event)) press(now, event)
    const points = (now.deed === 'cursor' || now.deed === 'window') && hand().tool === 'cursor'
    if (points) deeds.cursor(voxelAt(pointOf(event)))
  }

  /** `how`: the browser may take a pointer away, and nothing is pointed at then. */
  const release = (event: PointerEvent, how: 'lifted' | 'taken') => {
    fingers.delete(event.pointerId)
    if (fingers.size < 2) pinch = null
    if (!drag || event.pointerId !== drag.id) return
    const now = drag
    drag = null
    const read = endProbe() === 'probed'
    end(now)
    if (how === 'lifted' && !read && !now.moved) tap(now, event)
  }
  const up = (event: PointerEvent) => release(event, 'lifted')
  const cancel = (event: PointerEvent) => release(event, 'taken')

  const onWheel = (event: WheelEvent) => {
    event.preventDefault()
    if (event.ctrlKey || event.metaKey) {
      const [x, y] = pointOf(event)
      deeds.zoom(zoomAt(hand().frame, Math.exp(-event.deltaY / 300), x, y))
      return
    }
    const steps = wheel.steps(event.deltaY, event.deltaMode)
    if (steps !== 0) deeds.step(-steps)
  }
  const leave = () => deeds.hover(null)
  const double = () => {
    if (hand().tool === 'cursor') deeds.enlarge()
  }
  const menu = (event: Event) => event.preventDefault()

  const off = new AbortController()
  canvas.addEventListener('pointerdown', down, { signal: off.signal })
  canvas.addEventListener('pointermove', move, { signal: off.signal })
  canvas.addEventListener('pointerup', up, { signal: off.signal })
  canvas.addEventListener('pointercancel', cancel, { signal: off.signal })
  canvas.addEventListener('pointerleave', leave, { signal: off.signal })
  canvas.addEventListener('wheel', onWheel, { signal: off.signal, passive: false })
  canvas.addEventListener('dblclick', double, { signal: off.signal })
  canvas.addEventListener('contextmenu', menu, { signal: off.signal })
  return () => {
    endProbe()
    off.abort()
  }
}

const sliceOf = ({ plane }: PaneFrame, voxel: Vec3) => voxel[throughAxis(plane)]

function pinchOf(fingers: ReadonlyMap<number, Point>): { distance: number; middle: Point } | null {
  const [a, b] = [...fingers.values()]
  if (!a || !b) return null
  return { distance: Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1])), middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] }
}
