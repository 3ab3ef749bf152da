import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { queries } from '../api/queries'
import type { CommitGroup } from '../api/types'
import { Button } from '../ui/Button'
import { Dialog } from '../ui/Dialog'
import { Notice } from '../ui/Notice'
import { toast } from '../ui/Toasts'
import { FailureNotice } from '../words/FailureNotice'
import { useWords } from '../words/useWords'
import { DropZone } from './DropZone'
import { GroupTable } from './GroupTable'
import { TransferList } from './TransferList'
import { uploads } from './uploads'
import { useUpload } from './useUpload'

/** From files to studies: drop, look at what was recognised, start. */
export function UploadPage() {
  const { t, day } = useWords()
  const navigate = useNavigate()
  const { study } = useSearch({ from: '/upload' })
  const completed = useQuery({ ...queries.study(study ?? ''), enabled: study !== undefined })
  const { state, upload, change, takeOut, discard, commit } = useUpload()
  const session = useQuery(queries.session())
  const [asking, setAsking] = useState(false)
  const [failed, setFailed] = useState<{ key: string; error: unknown } | null>(null)
  const groups = upload.data?.groups ?? []
  const moving = state.transfers.filter((transfer) => transfer.state !== 'stored')
  const empty = groups.length === 0 && moving.length === 0
  const completes = study !== undefined ? (completed.data ?? null) : null

  const onCommitted = async (group: CommitGroup) => {
    setFailed(null)
    try {
      const made = await commit.mutateAsync([group])
      toast({ text: t('upload.done', { n: made.studies.length }) })
      const rest = groups.length > 1 || moving.length > 0
      if (rest) return
      uploads.finish()
      const first = made.studies[0]
      if (first) await navigate({ to: '/studies/$id', params: { id: first.study_id }, search: {} })
    } catch (error) {
      setFailed({ key: group.key, error })
    }
  }
  if (session.data?.person?.role === 'viewer') {
    return (
      <div className="page">
        <h1>{t('upload.title')}</h1>
        <Notice tone="note">{t('role.viewer.told')}</Notice>
      </div>
    )
  }
  return (
    <div className={empty ? 'page upload-page empty-upload' : 'page upload-page'}>
      <h1 className={empty ? 'unseen' : undefined}>{t('upload.title')}</h1>
      {completes && (
        <Notice
          tone="note"
          actions={
            <Link to="/upload" search={{}} className="button">
              {t('upload.completing.stop')}
            </Link>
          }
        >
          {t('upload.completing', {
            patient: completes.patient.pseudonym,
            date: completes.date === null ? t('worklist.no_date') : day(completes.date),
            what: completes.missing.map((sequence) => t(`sequence.${sequence}`)).join(', '),
          })}
        </Notice>
      )}
      <DropZone size={empty ? 'page' : 'line'} />
      {state.error !== null && <FailureNotice error={state.error} />}
      {upload.error && <FailureNotice error={upload.error} onRetry={() => void upload.refetch()} />}
      {state.left.length > 0 && (
        <Notice tone="caution">
          {t('upload.left', { n: state.left.length, names: state.left.slice(0, 5).join(', ') })}
        </Notice>
      )}
      <TransferList transfers={moving} />
      {state.upload !== null &&
        groups.map((group) => (
          <GroupTable
            key={group.key}
            upload={state.upload ?? ''}
            group={group}
            groups={groups}
            completes={completes}
            busy={commit.isPending}
            error={failed?.key === group.key ? failed.error : null}
            onChanged={(file, to) => change.mutate({ file, ...to })}
            onRemoved={(file) => takeOut.mutate(file)}
            onCommitted={(wanted) => void onCommitted(wanted)}
          />
        ))}
      {groups.length > 0 && (
        <footer className="upload-foot">
          <Button look="quiet" onClick={() => setAsking(true)}>
            {t('upload.discard')}
          </Button>
        </footer>
      )}
      {asking && (
        <Dialog
          title={t('upload.discard.sure')}
          closeLabel={t('do.close')}
          onClose={() => setAsking(false)}
          actions={
            <>
              <Button onClick={() => setAsking(false)}>{t('do.cancel')}</Button>
              <Button
                look="danger"
                onClick={() => {
                  setAsking(false)
                  discard.mutate()
                }}
              >
                {t('upload.discard')}
              </Button>
            </>
          }
        >
          {t('upload.discard.lost')}
        </Dialog>
      )}
    </div>
  )
}
