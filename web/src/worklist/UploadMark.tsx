import { Link } from '@tanstack/react-router'
import { ProgressBar } from '../ui/ProgressBar'
import { useWords } from '../words/useWords'
import { isBusy, useUploads } from './uploads'

/** Files that are still being sent, seen from every page; it leads to the upload. */
export function UploadMark() {
  const { t, percent } = useWords()
  const state = useUploads()
  const failed = state.transfers.some((transfer) => transfer.state === 'failed')
  if (!isBusy(state) && !failed) return null
  const bytes = state.transfers.reduce((sum, transfer) => sum + transfer.bytes, 0)
  const sent = state.transfers.reduce((sum, transfer) => sum + transfer.sent, 0)
  const share = bytes === 0 ? 0 : sent / bytes
  return (
    <Link to="/upload" search={{}} className="upload-mark">
      <span>{failed ? t('upload.some_failed') : t('upload.sending')}</span>
      <ProgressBar share={share} label={t('upload.sending')} />
      <span className="figures">{percent(share)}</span>
    </Link>
  )
}
