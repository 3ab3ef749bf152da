import type { SegmentationRow } from '../api/types'
import { Button } from '../ui/Button'
import { Mark } from '../ui/Notice'
import { useWords } from '../words/useWords'
import type { EditState } from './Editing'

interface VersionMarkProps {
  shown: SegmentationRow | null
  edit: EditState
  mayEdit: boolean
  onAccept: (row: SegmentationRow) => void
}

/** "draft, version 3, default": whose mask this is and how far it has come. */
export function VersionMark({ shown, edit, mayEdit, onAccept }: VersionMarkProps) {
  const { t, named } = useWords()
  if (!shown) return null
  // One mark takes the other's place: a toolbar that breaks into two lines would move the image under the brush.
  if (edit.changed) {
    return (
      <span className="version-mark">
        <Mark tone="caution">
          {t('study.version', { n: shown.number })}, {t('study.unsaved')}
        </Mark>
      </span>
    )
  }
  return (
    <span className="version-mark">
      <Mark tone={shown.state === 'accepted' ? 'good' : shown.state === 'rejected' ? 'bad' : 'note'}>
        {named(`state.${shown.state}`)}, {t('study.version', { n: shown.number })}
        {shown.model && `, ${shown.model.name}`}
      </Mark>
      {mayEdit && shown.state !== 'accepted' && (
        <Button title="Ctrl+Enter" onClick={() => onAccept(shown)}>
          {t('study.accept')}
        </Button>
      )}
    </span>
  )
}
