import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { queries } from '../api/queries'
import type { CommitGroup, StudyRow, UploadGroup } from '../api/types'
import { Button } from '../ui/Button'
import { Notice } from '../ui/Notice'
import { FailureNotice } from '../words/FailureNotice'
import { useWords } from '../words/useWords'
import { FileLine, ProblemText } from './FileLine'
import { GroupFields, type GroupForm, noForm } from './GroupFields'
import type { FileChange } from './useUpload'

interface GroupTableProps {
  upload: string
  group: UploadGroup
  groups: readonly UploadGroup[]
  /** The incomplete study that these files complete. */
  completes: StudyRow | null
  busy: boolean
  error: unknown
  onChanged: (file: string, change: FileChange) => void
  onRemoved: (file: string) => void
  onCommitted: (group: CommitGroup) => void
}

/** What the form and the group make together, as the server wants it. */
export function commitOf(
  group: UploadGroup,
  form: GroupForm,
  completes: StudyRow | null,
  segment: 'segment' | 'store',
): CommitGroup {
  const commit: CommitGroup = { key: group.key, segment: segment === 'segment' }
  if (completes !== null) return { ...commit, study_id: completes.id }
  if (form.date !== '') commit.date = form.date
  if (form.patient !== '') return { ...commit, patient_id: form.patient }
  if (form.name.trim() !== '') commit.name = form.name.trim()
  if (form.birthYear !== '') commit.birth_year = Number(form.birthYear)
  return commit
}

/** One examination to be: its files, whose it is, and the button that makes a study of it. */
export function GroupTable(props: GroupTableProps) {
  const { upload, group, groups, completes, busy } = props
  const { t } = useWords()
  const patients = useQuery(queries.patients(''))
  const [form, setForm] = useState<GroupForm>(noForm)
  const missing =
    completes === null ? group.missing : completes.missing.filter((sequence) => group.missing.includes(sequence))
  const scans = group.files.filter((file) => file.sequence !== null && file.sequence !== 'mask').length
  const whole = group.problems.filter((problem) => !problem.file_id)
  const title = completes?.patient.pseudonym ?? (group.title || t('upload.group'))
  const problemsOf = (file: UploadGroup['files'][number]) => {
    const all = [
      ...(file.problem ? [file.problem] : []),
      ...group.problems.filter((problem) => problem.file_id === file.id),
    ]
    return all.filter((problem, i) => all.findIndex((other) => other.code === problem.code) === i)
  }
  const onCommitted = (segment: 'segment' | 'store') => props.onCommitted(commitOf(group, form, completes, segment))
  return (
    <section className="group" aria-label={title}>
      <header>
        <h2 className="clip">{title}</h2>
        <span className="quiet-text">{t('upload.group.of', { have: scans })}</span>
        <span className="group-buttons">
          {missing.length > 0 ? (
            <Button look="primary" disabled={!group.ready || busy} onClick={() => onCommitted('store')}>
              {t('upload.store')}
            </Button>
          ) : (
            <>
              <Button disabled={!group.ready || busy} onClick={() => onCommitted('store')}>
                {t('upload.store_only')}
              </Button>
              <Button look="primary" disabled={!group.ready || busy} onClick={() => onCommitted('segment')}>
                {t('upload.start')}
              </Button>
            </>
          )}
        </span>
      </header>
      <table className="table files" aria-label={title}>
        <tbody>
          {group.files.map((file) => (
            <FileLine
              key={file.id}
              upload={upload}
              file={file}
              group={group.key}
              groups={groups}
              problems={problemsOf(file)}
              onChanged={(change) => props.onChanged(file.id, change)}
              onRemoved={() => props.onRemoved(file.id)}
            />
          ))}
        </tbody>
      </table>
      {whole.map((problem) => (
        <ProblemText key={problem.code} problem={problem} />
      ))}
      {missing.length > 0 && (
        <Notice tone="caution">
          {t('upload.incomplete', { what: missing.map((sequence) => t(`sequence.${sequence}`)).join(', ') })}
        </Notice>
      )}
      {completes === null && <GroupFields form={form} patients={patients.data ?? []} onChanged={setForm} />}
      {props.error !== null && props.error !== undefined && <FailureNotice error={props.error} />}
    </section>
  )
}
