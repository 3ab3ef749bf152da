import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'
import type { Look, Stage } from './stage'

/** What the tests of the viewer do with it: open, point, read. */

export const plain: Look = { language: 'en', theme: 'dark' }
export const AXIAL = '.pane[data-plane=axial] canvas'

export type Point = readonly [number, number]
export type Rgb = readonly [number, number, number]

/** The colour that a pane's canvas shows at a point, in CSS pixels from its corner. */
export function pixel(page: Page, [x, y]: Point): Promise<Rgb> {
  return page
    .locator(AXIAL)
    .first()
    .evaluate(
      (canvas: HTMLCanvasElement, at) => {
        const scale = canvas.width / canvas.getBoundingClientRect().width
        const [r, g, b] = canvas.getContext('2d')?.getImageData(at[0] * scale, at[1] * scale, 1, 1).data ?? []
        return [r ?? 0, g ?? 0, b ?? 0] as const
      },
      [x, y] as const,
    )
}

/** The study's page when its image is there. */
export async function opened(stage: Stage, id: string, query = '', look = plain): Promise<Page> {
  const page = await stage.show(`/studies/${id}${query}`, look)
  await drawn(page)
  return page
}

/** Until the volume is there: the intensity at the crosshair is known. */
export async function drawn(page: Page): Promise<void> {
  await page.waitForFunction(() => /\d/.test(document.querySelector('[data-testid=intensity]')?.textContent ?? ''))
}

/** Until the pane in three dimensions shows something. */
export async function surfaceDrawn(page: Page): Promise<void> {
  const coloured = () =>
    page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('.surface canvas')
      if (!canvas) return 0
      const copy = document.createElement('canvas')
      copy.width = canvas.width
      copy.height = canvas.height
      const ctx = copy.getContext('2d')
      canvas.dispatchEvent(new Event('glioscope:redraw'))
      ctx?.drawImage(canvas, 0, 0)
      const data = ctx?.getImageData(0, 0, copy.width, copy.height).data ?? []
      let found = 0
      for (let i = 0; i < data.length; i += 4)
        if ((data[i] ?? 0) + (data[i + 1] ?? 0) + (data[i + 2] ?? 0) > 60) found++
      return found
    })
  await expect.poll(coloured, { timeout: 20_000 }).toBeGreaterThan(500)
}

/** Draws tissues as plain areas, without a crosshair, so that pixels can be foretold. */
export async function plainly(page: Page): Promise<void> {
  await page.getByLabel('Draw').selectOption('fill')
  await page.locator(AXIAL).first().focus()
  for (let i = 0; i < 20; i++) await page.keyboard.press('d')
  await page.keyboard.press('x')
}

/** A point of the axial pane around which everything, so many dots of the canvas far, has this colour. */
export async function pointOf(page: Page, colour: Rgb, around = 3): Promise<Point> {
  const find = () =>
    page
      .locator(AXIAL)
      .first()
      .evaluate(
        (canvas: HTMLCanvasElement, { colour: [r, g, b], around }) => {
          const { width, height } = canvas
          const data = canvas.getContext('2d')?.getImageData(0, 0, width, height).data ?? new Uint8ClampedArray(0)
          const has = (x: number, y: number) => {
            const at = 4 * (y * width + x)
            return data[at] === r && data[at + 1] === g && data[at + 2] === b
          }
          const scale = width / canvas.getBoundingClientRect().width
          const corners = [-around, 0, around].flatMap((dx) => [-around, 0, around].map((dy) => [dx, dy] as const))
          for (let y = 10; y < height - 10; y++) {
            for (let x = 10; x < width - 20; x++) {
              if (corners.every(([dx, dy]) => has(x + dx, y + dy))) return [x / scale, y / scale] as const
            }
          }
          return null
        },
        { colour, around },
      )
  await expect.poll(find).not.toBeNull()
  const found = await find()
  if (!found) throw new Error('the colour went away')
  return found
}

/** A head of 1 mm with a bright block in the patient's left front, stored to the left or to the right. */
export function marked(direction: 'LPS' | 'RAS', brightness: number): Buffer {
  const [nx, ny, nz] = [64, 64, 48]
  const bytes = Buffer.alloc(352 + 2 * nx * ny * nz)
  bytes.writeInt32LE(348, 0)
  for (const [i, n] of [3, nx, ny, nz, 1, 1, 1, 1].entries()) bytes.writeInt16LE(n, 40 + 2 * i)
  bytes.writeInt16LE(4, 70)
  bytes.writeInt16LE(16, 72)
  for (let i = 0; i < 4; i++) bytes.writeFloatLE(1, 76 + 4 * i)
  bytes.writeFloatLE(352, 108)
  bytes.writeFloatLE(1, 112)
  bytes.writeInt16LE(1, 254)
  const sign = direction === 'LPS' ? -1 : 1
  for (const [r, row] of [
    [sign, 0, 0, -32 * sign],
    [0, sign, 0, -32 * sign],
    [0, 0, 1, -24],
  ].entries()) {
    for (const [c, value] of row.entries()) bytes.writeFloatLE(value, 280 + 16 * r + 4 * c)
  }
  bytes.write('n+1\0', 344, 'latin1')
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0; x < nx; x++) {
        // From here on in voxels to the right and to the front, whatever the file stores.
        const [right, front] = direction === 'LPS' ? [nx - 1 - x, ny - 1 - y] : [x, y]
        const inside = ((right - 31.5) / 26) ** 2 + ((front - 31.5) / 28) ** 2 + ((z - 23.5) / 20) ** 2 < 1
        const block = right > 14 && right < 26 && front > 34 && front < 48
        const value = inside ? (block ? 900 : 100 + brightness + ((x * 7 + y * 3 + z) % 20)) : 0
        bytes.writeInt16LE(value, 352 + 2 * (x + nx * (y + ny * z)))
      }
    }
  }
  return gzipSync(bytes)
}

/** What the viewer says about the voxel under the pointer or the crosshair; voxels counted from zero. */
export function reading(page: Page) {
  return page.evaluate(() => {
    const text = (id: string) => document.querySelector(`[data-testid=${id}]`)?.textContent ?? ''
    const [x = 0, y = 0, z = 0] = (text('voxel').match(/\d+/g) ?? []).map((one) => Number(one) - 1)
    return {
      voxel: [x, y, z] as const,
      intensity: Number(text('intensity').replaceAll(',', '').replace('\u2212', '-')),
      code: document.querySelector('[data-testid=label]')?.getAttribute('data-code') ?? null,
      by: document.querySelector('[data-testid=status]')?.getAttribute('data-at') ?? null,
    }
  })
}

/** Asks the server as the page's person. */
export async function ask<T>(page: Page, method: string, path: string, body?: Buffer | object): Promise<T> {
  const { origin } = new URL(page.url())
  const answer = await page.request.fetch(`${origin}/api/v1/${path}`, {
    method,
    headers: { 'X-Glioscope': '1', Origin: origin },
    ...(body === undefined ? {} : { data: body }),
  })
  if (!answer.ok()) throw new Error(`${method} ${path}: ${answer.status()} ${await answer.text()}`)
  return answer.json()
}

export interface Sent {
  readonly name: string
  readonly body: Buffer
}

export const sent = (paths: readonly string[]): Sent[] =>
  paths.map((path) => ({ name: basename(path), body: readFileSync(path) }))

/** Four sequences of the marked head. */
export const markedScans = (direction: 'LPS' | 'RAS'): Sent[] =>
  ['t1', 't1ce', 't2', 'flair'].map((sequence, i) => ({
    name: `marked_${direction}_${sequence}.nii.gz`,
    body: marked(direction, 10 * i),
  }))

/** Uploads files of one examination as the page does, and gives the study's id. */
export async function uploaded(page: Page, files: readonly Sent[], wishes: object = {}): Promise<string> {
  const { id } = await ask<{ id: string }>(page, 'POST', 'uploads')
  for (const { name, body } of files) await ask(page, 'PUT', `uploads/${id}/files/${name}`, body)
  const { groups } = await ask<{ groups: { key: string }[] }>(page, 'GET', `uploads/${id}`)
  const wish = { segment: false, ...wishes, key: groups[0]?.key }
  const done = await ask<{ studies: { study_id: string }[] }>(page, 'POST', `uploads/${id}/commit`, { groups: [wish] })
  return done.studies[0]?.study_id ?? ''
}
