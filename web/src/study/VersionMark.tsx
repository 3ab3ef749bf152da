import type { SegmentationRow } from '../api/types'
import { Button } from '../ui/Button'
import { Mark } from '../ui/Notice'
import { useWords } from '../words/useWords'
import type { EditState } from './Editing'
import type { Versions } from './useMasks'

interface VersionMarkProps {
  versions: Versions
  edit: EditState
  mayEdit: boolean
  onAccept: (row: SegmentationRow) => void
  /** Back to the edits that wait while another version is looked at. */
  onEdits: () => void
}

/** "draft, version 3, default": whose mask this is and how far it has come. */
export function VersionMark({ versions, edit, mayEdit, onAccept, onEdits }: VersionMarkProps) {
  const { t, named } = useWords()
  const { shown, edited } = versions
  // One mark takes the other's place: a toolbar that breaks into two lines would move the image under the brush.
  if (edit.changed && edited) {
    return (
      <span className="version-mark">
        <Mark tone="caution">
          {shown && `${t('study.version', { n: shown.number })}, `}
          {t('study.unsaved')}
        </Mark>
      </span>
    )
  }
  if (!shown) return null
  const text = [named(`state.${shown.state}`), t('study.version', { n: shown.number }), shown.model?.name]
  const said = text.filter((part) => part !== undefined).join(', ')
  return (
    <span className="version-mark">
      <Mark tone={shown.state === 'accepted' ? 'good' : shown.state === 'rejected' ? 'bad' : 'note'} title={said}>
        <span className="clip">{said}</span>
      </Mark>
      {edit.changed ? (
        <Button onClick={onEdits}>{t('study.show_edits')}</Button>
      ) : (
        mayEdit &&
        shown.state !== 'accepted' && (
          <Button title="Ctrl+Enter" onClick={() => onAccept(shown)}>
            {t('study.accept')}
          </Button>
        )
      )}
    </span>
  )
}
