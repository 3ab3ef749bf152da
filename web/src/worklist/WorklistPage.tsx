import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import type { StudyRow } from '../api/types'
import { useMayEdit } from '../api/useRole'
import { Button } from '../ui/Button'
import { FailureNotice } from '../words/FailureNotice'
import { useWords } from '../words/useWords'
import { ChosenBar } from './ChosenBar'
import { FilterBar } from './FilterBar'
import { StudyTable } from './StudyTable'
import { settle } from './settle'
import { useStudies, useStudyActions } from './useStudies'
import { useWorklistKeys } from './useWorklistKeys'
import { WorklistEmpty } from './WorklistEmpty'

const toggled = (ids: ReadonlySet<string>, id: string) => {
  const next = new Set(ids)
  if (!next.delete(id)) next.add(id)
  return next
}

/** The start page: all studies, their state and volumes; it follows the server without moving under the pointer. */
export function WorklistPage() {
  const { t } = useWords()
  const filter = useSearch({ from: '/' })
  const navigate = useNavigate()
  const studies = useStudies(filter)
  const actions = useStudyActions()
  const [held, setHeld] = useState<StudyRow[] | null>(null)
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const editor = useMayEdit()
  const inBin = filter.bin === 'true'
  // The address changed under a resting pointer: what was held belongs to another list.
  const key = JSON.stringify(filter)
  const [heldKey, setHeldKey] = useState(key)
  if (heldKey !== key) {
    setHeldKey(key)
    setHeld(null)
    setChosen(new Set())
  }
  const now = studies.data?.pages.flatMap((page) => page.items) ?? []
  const { rows, waiting, gone } = settle(held, now)
  const ids = rows.filter((row) => chosen.has(row.id) && !gone.has(row.id)).map((row) => row.id)
  const clear = () => {
    setChosen(new Set())
    setHeld(null)
  }
  const onDelete = (which: readonly string[]) => {
    actions.bin.mutate(which)
    clear()
  }
  useWorklistKeys({
    onChosen: (id) => setChosen(toggled(chosen, id)),
    onDelete: editor && !inBin ? (id) => onDelete(ids.length > 0 ? ids : [id]) : undefined,
    onUpload: editor ? () => void navigate({ to: '/upload', search: {} }) : undefined,
    onClear: clear,
  })
  return (
    <div className="worklist">
      <h1 className="unseen">{t('frame.worklist')}</h1>
      {ids.length > 0 ? (
        <ChosenBar
          ids={ids}
          inBin={inBin}
          editor={editor}
          onSegment={() => {
            actions.segment.mutate(ids)
            clear()
          }}
          onDelete={() => onDelete(ids)}
          onRestore={() => {
            actions.restore.mutate(ids)
            clear()
          }}
          onClear={clear}
        />
      ) : (
        <FilterBar filter={filter} total={studies.data?.pages[0]?.total} />
      )}
      {inBin && <p className="bin-note quiet-text">{t('worklist.bin.note')}</p>}
      {studies.error && <FailureNotice error={studies.error} onRetry={() => void studies.refetch()} />}
      {studies.isPending && <p className="quiet-text waiting">{t('loading')}</p>}
      {studies.data && rows.length === 0 && <WorklistEmpty filter={filter} editor={editor} />}
      {rows.length > 0 && (
        <div className="worklist-rows" onPointerEnter={() => setHeld(rows)} onPointerLeave={() => setHeld(null)}>
          {waiting > 0 && (
            <Button className="new-rows" onClick={() => setHeld(null)}>
              {t('worklist.new_rows', { n: waiting })}
            </Button>
          )}
          <StudyTable
            rows={rows}
            gone={gone}
            chosen={chosen}
            inBin={inBin}
            editor={editor}
            onChosen={(id) => setChosen(toggled(chosen, id))}
            onChosenAll={() => setChosen(ids.length === rows.length ? new Set() : new Set(rows.map((row) => row.id)))}
            onCancel={(job) => actions.cancel.mutate(job)}
            onRetry={(study) => actions.segment.mutate([study])}
          />
        </div>
      )}
      {studies.hasNextPage && (
        <Button
          className="show-more"
          disabled={studies.isFetchingNextPage}
          onClick={() => void studies.fetchNextPage()}
        >
          {t('worklist.more')}
        </Button>
      )}
    </div>
  )
}
