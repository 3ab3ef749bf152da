import { useEffect, useReducer, useRef } from 'react'
import { Notice } from '../ui/Notice'
import { toast } from '../ui/Toasts'
import { useWords } from '../words/useWords'
import { PairPane } from './PairPane'
import { PairTable } from './PairTable'
import { PairToolbar } from './PairToolbar'
import { begunPair, reducePair } from './pair'
import { saveAs, screenshotOf } from './screenshot'
import { usePairKeys } from './usePairKeys'
import { type SeenStudy, useSide } from './useSide'

interface PairViewerProps {
  left: SeenStudy
  right: SeenStudy
}

/** Two studies in one plane, moving together, with what changed from one to the other. */
export function PairViewer({ left, right }: PairViewerProps) {
  const words = useWords()
  const panes = useRef<HTMLDivElement>(null)
  const [pair, dispatch] = useReducer(reducePair, null, () => begunPair(begun(left), begun(right)))
  const first = useSide(left, pair, 0, dispatch)
  const second = useSide(right, pair, 1, dispatch)
  const sameGrid =
    first.look.placed && second.look.placed && first.look.grid.affine.join() === second.look.grid.affine.join()
  const screenshot = async () => {
    if (!panes.current) return
    const who = [left, right].map((study) => titleOf(study, words)).join('  |  ')
    const caption = {
      left: `${who}  ·  ${words.t(`study.display.${first.look.settings.display}`)}`,
      right: words.t('research_use'),
    }
    try {
      saveAs(await screenshotOf(panes.current, caption), `${left.patient.pseudonym}-${right.patient.pseudonym}.png`)
    } catch {
      toast({ tone: 'bad', text: words.t('study.screenshot_failed') })
    }
  }
  usePairKeys(pair, first.profile, dispatch, { screenshot: () => void screenshot() })
  useEffect(() => {
    document.title = `${left.patient.pseudonym} | ${right.patient.pseudonym} – Glioscope`
  }, [left.patient.pseudonym, right.patient.pseudonym])
  return (
    <div className="study pair-viewer">
      <PairToolbar pair={pair} dispatch={dispatch} onScreenshot={() => void screenshot()} />
      {first.look.placed && second.look.placed && !sameGrid && (
        <Notice tone="note">{words.t('compare.unregistered')}</Notice>
      )}
      <div className="study-body">
        <div className="panes" data-layout="pair" ref={panes}>
          {([0, 1] as const).map((which) => (
            <PairPane
              key={which}
              title={titleOf(which === 0 ? left : right, words)}
              study={which === 0 ? left : right}
              shown={which === 0 ? first : second}
              which={which}
              dispatch={dispatch}
            />
          ))}
        </div>
        <aside className="side-panel" aria-label={words.t('compare.change')}>
          <PairTable left={left} right={right} />
        </aside>
      </div>
    </div>
  )
}

const begun = ({ shape, spacing, centre, series }: SeenStudy) => ({
  shape,
  spacing,
  centre,
  sequences: series.map(({ sequence }) => sequence),
})

/** "P-0001, 3 Nov 2026" */
function titleOf(study: SeenStudy, words: ReturnType<typeof useWords>): string {
  return [study.patient.pseudonym, study.date && words.day(study.date)].filter(Boolean).join(', ')
}
