/** One picture of the panes on screen, with who, what and the research-use line below. */

import { REDRAW } from '../viewer/Viewer'

const FOOT = 44

export interface Caption {
  readonly left: string
  readonly right: string
}

/** Draws every canvas in `panes` where it stands, and the caption under them. Panes hold their own letters and scale bars. */
export async function screenshotOf(panes: HTMLElement, caption: Caption): Promise<Blob> {
  const frame = panes.getBoundingClientRect()
  const dpr = window.devicePixelRatio || 1
  const picture = document.createElement('canvas')
  picture.width = Math.round(frame.width * dpr)
  picture.height = Math.round((frame.height + FOOT) * dpr)
  const ctx = picture.getContext('2d')
  if (!ctx) throw new Error('the browser gave no canvas')
  ctx.scale(dpr, dpr)
  ctx.fillStyle = '#0b0d10'
  ctx.fillRect(0, 0, frame.width, frame.height + FOOT)
  for (const canvas of panes.querySelectorAll('canvas')) {
    const box = canvas.getBoundingClientRect()
    // A WebGL canvas is empty outside of its own frame: it draws itself again just before it is copied.
    canvas.dispatchEvent(new Event(REDRAW))
    ctx.drawImage(canvas, box.left - frame.left, box.top - frame.top, box.width, box.height)
  }
  ctx.font = '13px system-ui, "Noto Sans CJK KR", sans-serif'
  ctx.textBaseline = 'middle'
  ctx.fillStyle = '#d7dde4'
  ctx.fillText(caption.left, 8, frame.height + FOOT / 2 - 9)
  ctx.fillStyle = '#f2b544'
  ctx.fillText(caption.right, 8, frame.height + FOOT / 2 + 10)
  return new Promise((resolve, reject) =>
    picture.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the canvas gave no picture'))), 'image/png'),
  )
}

/** Hands a picture or file to the browser's downloads. */
export function saveAs(blob: Blob, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(blob)
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}
