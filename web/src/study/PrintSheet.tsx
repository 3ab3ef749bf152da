import { TriangleAlert } from 'lucide-react'
import { useLayoutEffect, useRef } from 'react'
import type { Study } from '../api/types'
import type { Library } from '../viewer/library'
import { FITTED } from '../viewer/pane'
import { paintOnce } from '../viewer/paneViewer'
import { PLANES, type Plane } from '../viewer/space'
import { type Look, paneSceneOf } from './paneScene'
import './print.css'
import { RegionPanel } from './RegionPanel'
import { ResultPanel } from './ResultPanel'
import { drawnSequence } from './scene'
import { maskText } from './useActions'
import type { Workspace } from './useWorkspace'
import { VolumeChart } from './VolumeChart'

interface PrintSheetProps {
  study: Study
  work: Workspace
}

/** A study on one sheet of paper or PDF: who, three planes through the crosshair, volumes, warnings, and what it is not. */
export function PrintSheet({ study, work }: PrintSheetProps) {
  const { look, library, scene, versions, edits, volumes } = work
  const { words, settings } = look
  const { t, named } = words
  const edited = versions.edited && volumes ? volumes.now : null
  return (
    <section className="print-sheet">
      <header>
        <h1>{study.patient.pseudonym}</h1>
        {study.date && <span>{words.day(study.date)}</span>}
        <strong className="research">
          <TriangleAlert size={14} aria-hidden="true" />
          {t('research_use')}
        </strong>
      </header>
      <div className="print-planes">
        {PLANES.map((plane) => (
          <PrintedPlane key={plane} plane={plane} look={look} library={library} />
        ))}
      </div>
      <p>
        {[
          named(`sequence.${drawnSequence(scene)}`),
          maskText(words, versions, edits.state),
          t(`settings.display.${settings.display}`),
        ].join(' · ')}
      </p>
      <div className="print-columns">
        {versions.shown ? (
          <ResultPanel row={versions.shown} edited={edited} />
        ) : (
          edited && <RegionPanel ml={edited} before={null} />
        )}
        <VolumeChart patient={study.patient.id} />
      </div>
      <footer>
        {['Glioscope', t('study.printed', { when: words.moment(new Date().toISOString()) }), t('research_use')].join(
          ' · ',
        )}
      </footer>
    </section>
  )
}

/** A plane in CSS pixels, and how many dots of paper each of them is. */
const SIDE = 320
const DOTS = 3

function PrintedPlane({ plane, look, library }: { plane: Plane; look: Look; library: Library }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  useLayoutEffect(() => {
    if (!canvas.current) return
    const sequence = drawnSequence(look.scene)
    const spec = { key: plane, plane, sequence, mask: 'shown', slice: null, small: false } as const
    const drawn = paneSceneOf(look, spec, { width: SIDE, height: SIDE })
    // Fitted: on paper nobody can move what the zoom has left outside.
    const scene = { ...drawn, crosshair: false, frame: { ...drawn.frame, zoom: FITTED } }
    paintOnce(canvas.current, library, scene, DOTS)
  }, [plane, look, library])
  return <canvas ref={canvas} />
}
