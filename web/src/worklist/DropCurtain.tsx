import { useNavigate } from '@tanstack/react-router'
import { FileUp } from 'lucide-react'
import { useEffect, useState } from 'react'
import { useMayEdit } from '../api/useRole'
import { useWords } from '../words/useWords'
import { pickedFromDrop } from './pick'
import { uploads } from './uploads'

const carriesFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false

/** Files may be dropped on any page; the whole window says so while they hang over it. */
export function DropCurtain() {
  const { t } = useWords()
  const navigate = useNavigate()
  const editor = useMayEdit()
  const [over, setOver] = useState(false)
  useEffect(() => {
    if (!editor) return
    const onDragOver = (event: DragEvent) => {
      if (!carriesFiles(event)) return
      event.preventDefault()
      setOver(true)
    }
    const onDragLeave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false)
    }
    const onDrop = async (event: DragEvent) => {
      if (event.dataTransfer === null || !carriesFiles(event)) return
      event.preventDefault()
      setOver(false)
      const files = pickedFromDrop(event.dataTransfer)
      await navigate({ to: '/upload', search: (before) => ('study' in before ? before : {}) })
      uploads.add(await files)
    }
    window.addEventListener('dragover', onDragOver)
    window.addEventListener('dragleave', onDragLeave)
    window.addEventListener('drop', onDrop)
    return () => {
      window.removeEventListener('dragover', onDragOver)
      window.removeEventListener('dragleave', onDragLeave)
      window.removeEventListener('drop', onDrop)
    }
  }, [editor, navigate])
  if (!over) return null
  return (
    <div className="curtain" aria-hidden="true">
      <FileUp size={40} />
      <p>{t('upload.drop_now')}</p>
    </div>
  )
}
