import { Link } from '@tanstack/react-router'
import { Columns2, Download, RotateCcw, ScanLine, Trash2, X } from 'lucide-react'
import { address } from '../api/client'
import { Button, IconButton } from '../ui/Button'
import { useWords } from '../words/useWords'

interface ChosenBarProps {
  ids: readonly string[]
  inBin: boolean
  editor: boolean
  onSegment: () => void
  onDelete: () => void
  onRestore: () => void
  onClear: () => void
}

/** One download after the other: a browser drops all but the last of those begun in the same moment. */
function exportEach(ids: readonly string[]) {
  ids.forEach((id, i) => {
    setTimeout(() => {
      const link = document.createElement('a')
      link.href = address(`studies/${id}/export`, { format: 'zip' })
      link.download = ''
      link.click()
    }, i * 700)
  })
}

/** What can be done with the selected studies; it stands in the place of the filters, so nothing moves. */
export function ChosenBar({ ids, inBin, editor, onSegment, onDelete, onRestore, onClear }: ChosenBarProps) {
  const { t } = useWords()
  return (
    <div className="filter-bar chosen-bar" role="toolbar" aria-label={t('worklist.chosen', { n: ids.length })}>
      <IconButton icon={<X size={16} />} label={t('worklist.chosen.none')} hint="Esc" onClick={onClear} />
      <b>{t('worklist.chosen', { n: ids.length })}</b>
      {inBin ? (
        editor && (
          <Button icon={<RotateCcw size={14} />} onClick={onRestore}>
            {t('worklist.restore')}
          </Button>
        )
      ) : (
        <>
          {ids.length === 2 && (
            <Link
              to="/compare"
              search={{ a: ids[0] ?? '', b: ids[1] ?? '' }}
              className="button"
              title={t('worklist.compare.two')}
            >
              <Columns2 size={14} aria-hidden="true" />
              {t('worklist.compare')}
            </Link>
          )}
          <Button icon={<Download size={14} />} title={t('worklist.export.zip')} onClick={() => exportEach(ids)}>
            {t('worklist.export')}
          </Button>
          {editor && (
            <>
              <Button icon={<ScanLine size={14} />} onClick={onSegment}>
                {t('worklist.again')}
              </Button>
              <Button icon={<Trash2 size={14} />} look="danger" onClick={onDelete}>
                {t('do.delete')}
              </Button>
            </>
          )}
        </>
      )}
    </div>
  )
}
