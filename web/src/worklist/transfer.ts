import { ApiError, address, asProblem, connection } from '../api/client'
import type { UploadFile } from '../api/types'
import type { Picked } from './pick'

/** A file on its way to the server. */
export interface Transfer {
  key: string
  name: string
  bytes: number
  sent: number
  state: 'waiting' | 'sending' | 'stored' | 'failed'
  /** When its first byte left, in ms. */
  began: number | null
  error: ApiError | null
}

export type Send = (
  upload: string,
  picked: Picked,
  onSent: (bytes: number) => void,
  signal: AbortSignal,
) => Promise<UploadFile[]>

/** One PUT a file. `fetch` tells nothing while it sends, so this is the one XMLHttpRequest of the page. */
export const sendFile: Send = (upload, { name, file }, onSent, signal) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('PUT', address(`uploads/${upload}/files/${encodeURIComponent(name.normalize('NFC'))}`))
    request.setRequestHeader('X-Glioscope', '1')
    request.setRequestHeader('Content-Type', 'application/octet-stream')
    request.upload.onprogress = (event) => onSent(event.loaded)
    request.onload = () => {
      if (request.status >= 200 && request.status < 300)
        resolve((JSON.parse(request.responseText) as { files: UploadFile[] }).files)
      else reject(asProblem(request.status, request.responseText))
    }
    request.onerror = () => {
      void connection.askNow()
      reject(
        new ApiError({
          code: 'offline',
          status: 0,
          title: 'No answer',
          detail: 'The connection broke while the file was sent.',
        }),
      )
    }
    request.onabort = () =>
      reject(new ApiError({ code: 'aborted', status: 0, title: 'Stopped', detail: 'The upload was stopped.' }))
    signal.addEventListener('abort', () => request.abort())
    request.send(file)
  })

/** Seconds until a file is there, from what was sent so far; null in the first half second. */
export function secondsLeft(transfer: Transfer, now: number): number | null {
  if (transfer.began === null || transfer.sent === 0 || now - transfer.began < 500) return null
  return ((transfer.bytes - transfer.sent) * (now - transfer.began)) / transfer.sent / 1000
}
