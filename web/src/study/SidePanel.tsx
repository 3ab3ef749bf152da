import type { Dispatch } from 'react'
import type { Study, Volumes } from '../api/types'
import { useWords } from '../words/useWords'
import { EditPanel } from './EditPanel'
import { MaskPanel } from './MaskPanel'
import type { Look } from './paneScene'
import { ResultPanel } from './ResultPanel'
import type { Change } from './scene'
import type { Edits } from './useEdits'
import type { Versions } from './useMasks'
import { VersionsPanel } from './VersionsPanel'
import { VolumeChart } from './VolumeChart'

interface SidePanelProps {
  study: Study
  look: Look
  versions: Versions
  edits: Edits
  volumes: { now: Volumes; before: Volumes } | null
  mayEdit: boolean
  saving: boolean
  dispatch: Dispatch<Change>
  onSave: (note: string) => void
  onBetween: () => void
}

/** Numbers and controls beside the panes; hidden with H. */
export function SidePanel({
  study,
  look,
  versions,
  edits,
  volumes,
  mayEdit,
  saving,
  dispatch,
  onSave,
  onBetween,
}: SidePanelProps) {
  const { t } = useWords()
  const { scene, settings } = look
  const editing = mayEdit && (edits.state.parent !== null || ['brush', 'eraser', 'fill'].includes(scene.tool))
  return (
    <aside className="side-panel" aria-label={t('study.side')}>
      {editing && (
        <EditPanel
          edits={edits}
          brush={scene.brush}
          volumes={volumes}
          dispatch={dispatch}
          onBetween={onBetween}
          onSave={onSave}
          saving={saving}
        />
      )}
      {versions.shown ? (
        <ResultPanel row={versions.shown} edited={volumes?.now ?? null} />
      ) : (
        <p className="quiet-text">{t('study.no_mask')}</p>
      )}
      {versions.shown && <MaskPanel mask={scene.mask} colours={settings.colours} dispatch={dispatch} />}
      <VersionsPanel study={study} versions={versions} mayEdit={mayEdit} dispatch={dispatch} />
      <VolumeChart patient={study.patient.id} />
    </aside>
  )
}
