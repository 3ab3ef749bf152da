import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { ApiError, patch, post, remove } from '../api/client'
import { queries } from '../api/queries'
import type { CommitGroup, Committed, UploadFile } from '../api/types'
import { toast } from '../ui/Toasts'
import { useFailure } from '../words/useFailure'
import { uploads, useUploads } from './uploads'

export type FileChange = Partial<Pick<UploadFile, 'sequence' | 'scheme'>> & { group?: string }

/** The open upload as the server has recognised it, and what can be done to it. */
export function useUpload() {
  const client = useQueryClient()
  const failure = useFailure()
  const state = useUploads()
  const id = state.upload
  const open = useQuery({ ...queries.uploads(), enabled: id === null })
  const waiting = open.data?.find((upload) => upload.groups.length > 0)?.id
  // An upload that a closed tab left behind is taken up again.
  useEffect(() => {
    if (waiting !== undefined) uploads.resume(waiting)
  }, [waiting])
  const upload = useQuery({ ...queries.upload(id ?? ''), enabled: id !== null })
  const stored = state.transfers.filter((transfer) => transfer.state === 'stored').length
  useEffect(() => {
    if (id !== null && stored > 0) void client.invalidateQueries({ queryKey: ['upload', id] })
  }, [client, id, stored])

  // Committed or thrown away in another tab.
  const vanished = upload.error instanceof ApiError && [404, 409, 410].includes(upload.error.status)
  useEffect(() => {
    if (!vanished) return
    client.removeQueries({ queryKey: ['uploads'] })
    uploads.finish()
  }, [client, vanished])

  const refresh = () => client.invalidateQueries({ queryKey: ['upload', id] })
  const onError = (error: unknown) => toast({ text: failure(error).sentence, tone: 'bad' })
  const change = useMutation({
    mutationFn: ({ file, ...to }: FileChange & { file: string }) => patch(`uploads/${id}/files/${file}`, to),
    onSettled: refresh,
    onError,
  })
  const takeOut = useMutation({
    mutationFn: (file: string) => remove(`uploads/${id}/files/${file}`),
    onSettled: refresh,
    onError,
  })
  const discard = useMutation({
    mutationFn: () => remove(`uploads/${id}`),
    onSuccess: () => {
      uploads.finish()
      client.setQueryData(['uploads'], [])
    },
    onError,
  })
  const commit = useMutation({
    mutationFn: (groups: readonly CommitGroup[]) => post<Committed>(`uploads/${id}/commit`, { groups }),
    onSettled: async () => {
      // What was open before is no longer, and must not be taken up again.
      client.removeQueries({ queryKey: ['uploads'] })
      await refresh()
      await client.invalidateQueries({ queryKey: ['studies'] })
      await client.invalidateQueries({ queryKey: ['patients'] })
    },
  })
  return { state, upload, change, takeOut, discard, commit }
}
