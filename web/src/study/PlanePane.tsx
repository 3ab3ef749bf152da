import { useEffect, useMemo, useRef, useState } from 'react'
import type { Library } from '../viewer/library'
import { attachGestures, type Deeds } from '../viewer/paneGestures'
import { createPaneViewer } from '../viewer/paneViewer'
import type { Profile } from '../viewer/profile'
import type { BrushRing, PaneScene } from '../viewer/Scene'
import { clampVoxel, sameVec, throughAxis, type Vec3 } from '../viewer/space'
import type { Cursor, Viewer } from '../viewer/Viewer'
import { useWords } from '../words/useWords'
import type { PaneSpec } from './arrangement'
import { type Look, paneSceneOf, seriesOf, windowOf } from './paneScene'
import { readoutAt, shortText } from './readout'
import { SliceSlider } from './SliceSlider'
import { useSize } from './useSize'

interface PlanePaneProps {
  look: Look
  spec: PaneSpec
  library: Library
  profile: Profile | null
  deeds: (spec: PaneSpec) => Deeds
  onHover: (at: Cursor, spec: PaneSpec) => void
  onIndex: (index: number) => void
  chosen: boolean
}

/** One plane: the canvas, and the slider below it. */
export function PlanePane({ look, spec, library, profile, deeds, onHover, onIndex, chosen }: PlanePaneProps) {
  const { t, number, named } = useWords()
  const box = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const viewer = useRef<Viewer<PaneScene> | null>(null)
  const [ringAt, setRingAt] = useState<Vec3 | null>(null)
  const [probeAt, setProbeAt] = useState<Vec3 | null>(null)
  const size = useSize(box)
  const { scene } = look
  const pointed = useMemo(
    () => ({
      ring: ringOf(look, spec, ringAt),
      probe: probeAt && { at: probeAt, text: probeText(look, spec, probeAt, library) },
    }),
    [look, spec, ringAt, probeAt, library],
  )
  const drawn = useMemo(() => (size ? paneSceneOf(look, spec, size, pointed) : null), [look, spec, size, pointed])

  const now = useRef({ drawn, look, spec, deeds, onHover })
  useEffect(() => {
    now.current = { drawn, look, spec, deeds, onHover }
  })

  useEffect(() => {
    if (!canvas.current) return
    const made = createPaneViewer(canvas.current, library)
    viewer.current = made
    const off = made.onCursor((at) => now.current.onHover(at, now.current.spec))
    return () => {
      off()
      made.dispose()
      viewer.current = null
    }
  }, [library])

  useEffect(() => {
    if (drawn) void viewer.current?.show(drawn)
  }, [drawn])

  const ready = drawn !== null
  useEffect(() => {
    if (!canvas.current || !ready) return
    const element = canvas.current
    const own = () => now.current.deeds(now.current.spec)
    const following: Deeds = {
      cursor: (at) => own().cursor(at),
      step: (by) => own().step(by),
      window: (window) => own().window(window),
      zoom: (zoom) => own().zoom(zoom),
      ruler: (from, to, end) => own().ruler(from, to, end),
      paint: (from, to, deed, phase) => own().paint(from, to, deed, phase),
      fill: (at, erase) => own().fill(at, erase),
      pick: (at) => own().pick(at),
      hover: (at) => setRingAt((old) => (at && old && sameVec(at, old) ? old : paints(now.current.look) ? at : null)),
      probe: (at) => {
        const voxel = at && clampVoxel(at, now.current.look.grid.shape)
        setProbeAt(voxel)
        now.current.onHover(voxel, now.current.spec)
      },
      enlarge: () => own().enlarge(),
    }
    return attachGestures(element, () => handOf(now.current), following)
  }, [ready])

  const axis = throughAxis(spec.plane)
  const index = spec.slice ?? scene.cursor[axis]
  const said = `${number(index + 1)} / ${number(look.grid.shape[axis])}`
  return (
    <div className={`pane ${chosen ? 'chosen' : ''} ${spec.small ? 'small' : ''}`} data-plane={spec.plane}>
      <div className="pane-picture" ref={box}>
        <canvas
          ref={canvas}
          tabIndex={spec.small ? -1 : 0}
          role="img"
          aria-label={`${named(`plane.${spec.plane}`)}, ${named(`sequence.${spec.sequence}`)}, ${said}`}
          className={`tool-${scene.tool}`}
        />
      </div>
      {!spec.small && (
        <SliceSlider
          label={t('study.slider', { plane: named(`plane.${spec.plane}`) })}
          said={said}
          index={index}
          count={look.grid.shape[axis]}
          areas={profile?.[axis] ?? null}
          onIndex={onIndex}
        />
      )}
    </div>
  )
}

function paints({ scene }: Look): boolean {
  return scene.tool === 'brush' || scene.tool === 'eraser'
}

function ringOf(look: Look, spec: PaneSpec, at: Vec3 | null): BrushRing | null {
  return at && paints(look) && spec.mask === 'shown' ? { at, mm: look.scene.brush.tip.mm } : null
}

function probeText(look: Look, spec: PaneSpec, at: Vec3, library: Library): string {
  // The codes of a difference are no tissues.
  const mask = spec.mask === 'difference' ? null : look.masks[spec.mask]
  return shortText(look, readoutAt(look, library, spec.sequence, mask, at))
}

function handOf({ drawn, look, spec }: { drawn: PaneScene | null; look: Look; spec: PaneSpec }) {
  const series = seriesOf(look.series, spec.sequence)
  if (!drawn) throw new Error('a pane without a scene takes no gestures')
  return {
    frame: drawn.frame,
    cursor: drawn.cursor,
    // Only the version on screen is edited, not the one beside it.
    tool: spec.small || spec.mask !== 'shown' ? ('cursor' as const) : look.scene.tool,
    habit: look.settings.mouse,
    window: series ? windowOf(look.scene, series) : { lo: 0, hi: 1 },
  }
}
