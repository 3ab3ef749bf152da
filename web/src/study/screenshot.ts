/** One picture of the panes on screen, with who, what and the research-use line below. */

import { REDRAW } from '../viewer/Viewer'

const LINE = 19
const MARGIN = 8

export interface Caption {
  readonly left: string
  readonly right: string
}

/** Breaks a text between its words so that no line is wider than it may be; a single long word is left whole. */
export function linesOf(text: string, fits: (line: string) => boolean): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && fits(`${last} ${word}`)) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** Draws every canvas in `panes` where it stands, and the caption under them. Panes hold their own letters and scale bars. */
export async function screenshotOf(panes: HTMLElement, caption: Caption): Promise<Blob> {
  const frame = panes.getBoundingClientRect()
  const dpr = window.devicePixelRatio || 1
  const picture = document.createElement('canvas')
  const ctx = picture.getContext('2d')
  if (!ctx) throw new Error('the browser gave no canvas')
  const font = '13px system-ui, "Noto Sans CJK KR", sans-serif'
  ctx.font = font
  const fits = (line: string) => ctx.measureText(line).width <= frame.width - 2 * MARGIN
  const said = [
    ...linesOf(caption.left, fits).map((text) => ({ text, colour: '#d7dde4' })),
    ...linesOf(caption.right, fits).map((text) => ({ text, colour: '#f2b544' })),
  ]
  const height = frame.height + said.length * LINE + MARGIN
  picture.width = Math.round(frame.width * dpr)
  picture.height = Math.round(height * dpr)
  ctx.scale(dpr, dpr)
  ctx.fillStyle = '#0b0d10'
  ctx.fillRect(0, 0, frame.width, height)
  for (const canvas of panes.querySelectorAll('canvas')) {
    const box = canvas.getBoundingClientRect()
    // A WebGL canvas is empty outside of its own frame: it draws itself again just before it is copied.
    canvas.dispatchEvent(new Event(REDRAW))
    ctx.drawImage(canvas, box.left - frame.left, box.top - frame.top, box.width, box.height)
  }
  ctx.font = font
  ctx.textBaseline = 'middle'
  for (const [i, { text, colour }] of said.entries()) {
    ctx.fillStyle = colour
    ctx.fillText(text, MARGIN, frame.height + MARGIN / 2 + (i + 0.5) * LINE)
  }
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
