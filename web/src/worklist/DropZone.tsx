import { FileUp, FolderUp } from 'lucide-react'
import { useRef } from 'react'
import { Button } from '../ui/Button'
import { useWords } from '../words/useWords'
import { pickedFromInput } from './pick'
import { uploads } from './uploads'

/** Where files are dropped or chosen; large while nothing is there, a line above the tables afterwards. */
export function DropZone({ size }: { size: 'page' | 'line' }) {
  const { t } = useWords()
  const files = useRef<HTMLInputElement>(null)
  const folder = useRef<HTMLInputElement>(null)
  const onPicked = (input: HTMLInputElement) => {
    uploads.add(pickedFromInput(input.files))
    // The same file may be chosen again after it was mended.
    input.value = ''
  }
  return (
    <section className={`drop-zone ${size}`} aria-label={t('upload.title')}>
      {size === 'page' && <FileUp size={36} aria-hidden="true" />}
      <p className="drop-title">{t('upload.drop')}</p>
      {size === 'page' && <p className="quiet-text">{t('upload.drop.more')}</p>}
      <div className="drop-buttons">
        <Button
          look={size === 'page' ? 'primary' : 'plain'}
          icon={<FileUp size={16} />}
          onClick={() => files.current?.click()}
        >
          {t('upload.files')}
        </Button>
        <Button icon={<FolderUp size={16} />} onClick={() => folder.current?.click()}>
          {t('upload.folder')}
        </Button>
      </div>
      {size === 'page' && <p className="quiet-text">{t('upload.names')}</p>}
      <input
        ref={files}
        type="file"
        multiple
        hidden
        accept=".nii,.gz,.zip"
        data-testid="files"
        aria-label={t('upload.files')}
        onChange={(event) => onPicked(event.currentTarget)}
      />
      <input
        ref={folder}
        type="file"
        multiple
        hidden
        // The browsers' name for it; React passes it on.
        {...{ webkitdirectory: '' }}
        aria-label={t('upload.folder')}
        onChange={(event) => onPicked(event.currentTarget)}
      />
    </section>
  )
}
