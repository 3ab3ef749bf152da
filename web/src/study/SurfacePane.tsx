import { useEffect, useMemo, useRef, useState } from 'react'
import type { Library } from '../viewer/library'
import type { SurfaceScene } from '../viewer/Scene'
import type { Viewer } from '../viewer/Viewer'
import { useWords } from '../words/useWords'
import { inksOf, type Look, seriesOf } from './paneScene'

interface SurfacePaneProps {
  look: Look
  library: Library
}

const OPACITY: Readonly<Record<string, number>> = { ed: 0.35, wt: 0.3, tc: 0.55, ncr: 0.8 }

/** The tumour's surface inside the brain. NiiVue is fetched when this pane is first on screen and the brain is there. */
export function SurfacePane({ look, library }: SurfacePaneProps) {
  const { t } = useWords()
  const host = useRef<HTMLDivElement>(null)
  const [viewer, setViewer] = useState<Viewer<SurfaceScene> | null>(null)
  const [missing, setMissing] = useState<'no' | 'webgl' | 'failed'>('no')
  const scene = useSurfaceScene(look, library)
  const brain = brainOf(look)
  const may = useLater(brain === null || library.volume(brain) !== null || library.failure(brain) !== null)

  useEffect(() => {
    if (!may) return
    let gone = false
    let made: Viewer<SurfaceScene> | null = null
    // A canvas whose context was given back is of no use to a second mount: each viewer has its own.
    const canvas = document.createElement('canvas')
    canvas.addEventListener('webglcontextlost', () => !gone && setMissing('failed'))
    host.current?.append(canvas)
    void import('../viewer/niivueViewer')
      .then(({ createSurfaceViewer, hasWebGl2 }) => {
        if (gone) return
        if (!hasWebGl2()) {
          setMissing('webgl')
          return
        }
        made = createSurfaceViewer(canvas, library)
        setViewer(made)
      })
      .catch(() => !gone && setMissing('failed'))
    return () => {
      gone = true
      made?.dispose()
      canvas.remove()
      setViewer(null)
    }
  }, [library, may])

  useEffect(() => {
    // Strokes follow each other closely: the surface is made when the hand rests.
    const rest = setTimeout(() => void viewer?.show(scene).catch(() => setMissing('failed')), 250)
    return () => clearTimeout(rest)
  }, [viewer, scene])

  return (
    <div className="pane surface">
      <div className="pane-picture">
        <div ref={host} className="surface-host" role="img" aria-label={t('study.surface')} />
        {missing !== 'no' && (
          <p className="pane-note">{t(missing === 'webgl' ? 'study.no_webgl' : 'study.no_surface')}</p>
        )}
        <span className="pane-title">{t('study.surface')}</span>
      </div>
    </div>
  )
}

/** The scan whose surface the tumour lies in. */
function brainOf(look: Look): string | null {
  return seriesOf(look.series, 't1n')?.url ?? look.series[0]?.url ?? null
}

/** Turns true in an idle moment after `ready`: the planes come first. */
function useLater(ready: boolean): boolean {
  const [later, setLater] = useState(false)
  useEffect(() => {
    if (!ready) return
    if (typeof requestIdleCallback === 'undefined') {
      const timer = setTimeout(() => setLater(true), 50)
      return () => clearTimeout(timer)
    }
    const idle = requestIdleCallback(() => setLater(true), { timeout: 1000 })
    return () => cancelIdleCallback(idle)
  }, [ready])
  return later
}

/** What changes the surfaces: the mask, its colours and what is hidden; not the crosshair. */
function useSurfaceScene(look: Look, library: Library): SurfaceScene {
  const { scene, settings, masks } = look
  const { mask } = scene
  const key = masks.shown
  const revision = key ? library.revisionOf(key) : 0
  const there = key !== null && library.labels(key) !== null
  const brain = brainOf(look)
  const brainThere = brain !== null && library.volume(brain) !== null
  return useMemo(() => {
    const inks = mask.shown && there ? inksOf(mask, settings.colours) : []
    // What is seen through comes last.
    const surfaces = [...inks].reverse().map((ink) => ({
      key: ink.key,
      mask: key ?? '',
      codes: ink.codes,
      colour: ink.colour,
      opacity: OPACITY[ink.key] ?? 1,
    }))
    return { surfaces, brain: brainThere ? brain : null, revision }
  }, [mask, settings.colours, key, revision, there, brain, brainThere])
}
