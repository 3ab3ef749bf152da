import { useCallback, useEffect, useRef, useState } from 'react'
import type { Study, Triple } from '../api/types'
import { toast } from '../ui/Toasts'
import { stopsOf } from '../viewer/profile'
import { offsetOf, throughAxis, type Vec3 } from '../viewer/space'
import { arrangementOf, type PaneSpec } from './arrangement'
import { Hover } from './hover'
import { JobStage } from './JobStage'
import { PaneGrid } from './PaneGrid'
import { PartDialog } from './PartDialog'
import { PrintSheet } from './PrintSheet'
import { SegmentationButton } from './SegmentationButton'
import { SidePanel } from './SidePanel'
import { StatusLine } from './StatusLine'
import { StudyNotices } from './StudyNotices'
import { Toolbar } from './Toolbar'
import { useActions } from './useActions'
import { useDeeds } from './useDeeds'
import { usePrinting } from './usePrinting'
import { useSegmenting } from './useSegmenting'
import { useWorkspace } from './useWorkspace'
import { VersionMark } from './VersionMark'

interface StudyViewerProps {
  study: Study
  shape: Triple
  spacing: Triple
  /** Somebody deleted the study while it was open. */
  gone: 'gone' | 'there'
}

/** Everything of one study on one screen. */
export function StudyViewer({ study, shape, spacing, gone }: StudyViewerProps) {
  const panes = useRef<HTMLDivElement>(null)
  const [hover] = useState(() => new Hover())
  const [picked, setPicked] = useState<Vec3 | null>(null)
  const work = useWorkspace(study, shape, spacing)
  const { scene, dispatch, library, look, labels, profile, versions, edits, begin, mayEdit } = work
  const segmenting = useSegmenting(study)
  const actions = useActions(study, work, segmenting, panes)

  const { words } = look
  const onHover = useCallback(
    (at: Vec3 | null, { sequence, mask }: PaneSpec) => hover.move(at && { at, sequence, mask }),
    [hover],
  )
  const onOpenArea = useCallback(() => toast({ text: words.t('study.open_area') }), [words])
  const onPick = useCallback(
    (seed: Vec3) => {
      // Every pane goes there: what is to be corrected is seen in all of them.
      dispatch({ kind: 'cursor', at: seed })
      if (labels?.values[offsetOf(seed, labels.grid.shape)]) setPicked(seed)
      else toast({ text: words.t('study.part.nothing') })
    },
    [dispatch, labels, words],
  )
  const deeds = useDeeds({ look, library, editing: edits.editing, dispatch, begin, onPick, onOpenArea })
  useEffect(() => {
    document.title = `${study.patient.pseudonym} – Glioscope`
  }, [study.patient.pseudonym])

  const printing = usePrinting()
  const mayStart = mayEdit && study.missing.length === 0
  const stops = profile ? stopsOf(profile[throughAxis(scene.plane)]) : null
  return (
    <div className={`study ${scene.panels ? '' : 'bare'}`}>
      <Toolbar
        study={study}
        scene={scene}
        dispatch={dispatch}
        mayEdit={mayEdit}
        segmentation={
          <SegmentationButton
            segmenting={segmenting}
            hasMask={versions.shown !== null || edits.state.changed}
            shown={scene.mask.shown}
            mayStart={mayStart}
            onPressed={actions.segmentation}
          />
        }
        version={
          segmenting.running && segmenting.job ? (
            <JobStage job={segmenting.job} onCancel={mayEdit ? segmenting.cancel : undefined} />
          ) : (
            <VersionMark
              versions={versions}
              edit={edits.state}
              mayEdit={mayEdit}
              onAccept={(row) => actions.decide(row, 'accepted')}
              onEdits={() => dispatch({ kind: 'version', version: null })}
            />
          )
        }
        onPreset={actions.preset}
        onScreenshot={actions.screenshot}
        onFullScreen={actions.fullScreen}
      />
      <StudyNotices study={study} gone={gone} library={library} segmenting={segmenting} mask={versions.shown} />
      <div className="study-body">
        <PaneGrid
          ref={panes}
          arrangement={arrangementOf(scene, stops)}
          look={look}
          library={library}
          profile={profile}
          deeds={deeds}
          onHover={onHover}
          dispatch={dispatch}
        />
        {scene.panels && (
          <SidePanel
            study={study}
            work={work}
            actions={actions}
            again={mayStart && !segmenting.running ? segmenting.start : undefined}
          />
        )}
      </div>
      {printing && <PrintSheet study={study} work={work} />}
      <StatusLine look={look} library={library} hover={hover} />
      {picked && labels && (
        <PartDialog
          seed={picked}
          labels={labels}
          editing={edits.editing}
          begin={begin}
          onClose={() => setPicked(null)}
        />
      )}
    </div>
  )
}
