import { useRef } from 'react'
import type { Study } from '../api/types'
import { useWords } from '../words/useWords'
import { EditPanel } from './EditPanel'
import { MaskPanel } from './MaskPanel'
import { ResultPanel } from './ResultPanel'
import type { Actions } from './useActions'
import type { Workspace } from './useWorkspace'
import { VersionsPanel } from './VersionsPanel'
import { VolumeChart } from './VolumeChart'

interface SidePanelProps {
  study: Study
  work: Workspace
  actions: Actions
}

/** Numbers and controls beside the panes; hidden with H. */
export function SidePanel({ study, work, actions }: SidePanelProps) {
  const { t } = useWords()
  const byPointer = useRef(false)
  const { scene, look, versions, edits, volumes, dispatch, mayEdit } = work
  const editing = mayEdit && (edits.state.parent !== null || ['brush', 'eraser', 'fill'].includes(scene.tool))
  const parent = study.segmentations.find((row) => row.id === edits.state.parent) ?? null
  const newer = parent ? Math.max(...study.segmentations.map((row) => row.number)) : 0
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
          onBetween={actions.between}
          onSave={actions.save}
          saving={actions.saving}
          onDiscard={actions.discard}
          newer={parent && newer > parent.number ? newer : null}
        />
      )}
      {versions.shown ? (
        <ResultPanel row={versions.shown} edited={volumes && parent === versions.shown ? volumes.now : null} />
      ) : (
        <p className="quiet-text">{t('study.no_mask')}</p>
      )}
      {versions.shown && <MaskPanel mask={scene.mask} colours={look.settings.colours} dispatch={dispatch} />}
      <VersionsPanel study={study} versions={versions} mayEdit={mayEdit} dispatch={dispatch} />
      <VolumeChart patient={study.patient.id} />
    </aside>
  )
}
