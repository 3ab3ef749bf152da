import { useRef } from 'react'
import type { Study } from '../api/types'
import { useWords } from '../words/useWords'
import { EditPanel } from './EditPanel'
import { MaskPanel } from './MaskPanel'
import { RegionPanel } from './RegionPanel'
import { ResultPanel } from './ResultPanel'
import type { Actions } from './useActions'
import type { Workspace } from './useWorkspace'
import { VersionsPanel } from './VersionsPanel'
import { VolumeChart } from './VolumeChart'

interface SidePanelProps {
  study: Study
  work: Workspace
  actions: Actions
  /** Segments once more; missing where that cannot be. */
  again: (() => void) | undefined
}

/** Numbers and controls beside the panes; hidden with H. */
export function SidePanel({ study, work, actions, again }: SidePanelProps) {
  const { t } = useWords()
  const byPointer = useRef(false)
  const { scene, look, versions, edits, volumes, dispatch, mayEdit } = work
  const { state } = edits
  const editing = mayEdit && (state.changed || ['brush', 'eraser', 'fill'].includes(scene.tool))
  const from = study.segmentations.find((row) => row.id === state.parent)?.number ?? 0
  const newest = Math.max(0, ...study.segmentations.map((row) => row.number))
  const edited = versions.edited && volumes ? volumes.now : null
  return (
    <aside
      className="side-panel"
      aria-label={t('study.side')}
      onPointerDown={() => {
        byPointer.current = true
      }}
      onKeyDown={() => {
        byPointer.current = false
      }}
      onChange={(event) => {
        // A list keeps the letters for itself while it has the focus: after a choice by mouse they are the viewer's again.
        if (byPointer.current && event.target instanceof HTMLSelectElement) event.target.blur()
      }}
    >
      {!mayEdit && <p className="quiet-text">{t('role.viewer.told')}</p>}
      {editing && (
        <EditPanel
          edits={edits}
          brush={scene.brush}
          volumes={volumes}
          dispatch={dispatch}
          actions={actions}
          newer={newest > from ? newest : null}
        />
      )}
      {versions.shown ? (
        <ResultPanel row={versions.shown} edited={edited} />
      ) : edited ? (
        <RegionPanel ml={edited} before={null} />
      ) : (
        <p className="quiet-text">{t(mayEdit ? 'study.no_mask.paint' : 'study.no_mask')}</p>
      )}
      {(versions.shown || versions.edited) && (
        <MaskPanel mask={scene.mask} colours={look.settings.colours} dispatch={dispatch} />
      )}
      <VersionsPanel
        study={study}
        versions={versions}
        edit={state}
        mayEdit={mayEdit}
        dispatch={dispatch}
        onDecided={actions.decide}
        onAgain={again}
      />
      <VolumeChart patient={study.patient.id} />
    </aside>
  )
}
