import { mkdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { AxeBuilder } from '@axe-core/playwright'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { lacking, Stage } from './stage'

const reason = lacking()
if (reason !== null) console.error(`SKIPPED: end-to-end tests of the viewer: ${reason}`)

const look = { language: 'en', theme: 'dark' } as const
const pictures = process.env.SCREENSHOTS
const AXIAL = '.pane[data-plane=axial] canvas'

type Point = readonly [number, number]
type Rgb = readonly [number, number, number]

/** The colour that a pane's canvas shows at a point, in CSS pixels from its corner. */
function pixel(page: Page, [x, y]: Point): Promise<Rgb> {
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

/** Mean brightness of the left and the right half of an axial pane. */
function halves(page: Page): Promise<{ left: number; right: number }> {
  return page
    .locator(AXIAL)
    .first()
    .evaluate((canvas: HTMLCanvasElement) => {
      const { width, height } = canvas
      const data = canvas.getContext('2d')?.getImageData(0, 0, width, height).data ?? new Uint8ClampedArray(0)
      const sums = { left: 0, right: 0 }
      for (let y = Math.round(height * 0.1); y < height * 0.85; y++) {
        for (let x = Math.round(width * 0.08); x < width * 0.92; x++)
          sums[x < width / 2 ? 'left' : 'right'] += data[4 * (y * width + x)] ?? 0
      }
      return sums
    })
}

async function opened(stage: Stage, id: string, query = ''): Promise<Page> {
  const page = await stage.show(`/studies/${id}${query}`, look)
  await page.waitForFunction(() => /\d/.test(document.querySelector('[data-testid=intensity]')?.textContent ?? ''))
  return page
}

/** Draws tissues as plain areas, without a crosshair, so that pixels can be foretold. */
async function plainly(page: Page): Promise<void> {
  await page.getByLabel('Draw').selectOption('fill')
  await page.locator(AXIAL).first().focus()
  for (let i = 0; i < 20; i++) await page.keyboard.press('d')
  await page.keyboard.press('x')
}

/** A point of the axial pane around which everything has this colour. */
async function pointOf(page: Page, colour: Rgb): Promise<Point> {
  const find = () =>
    page
      .locator(AXIAL)
      .first()
      .evaluate((canvas: HTMLCanvasElement, [r, g, b]) => {
        const { width, height } = canvas
        const data = canvas.getContext('2d')?.getImageData(0, 0, width, height).data ?? new Uint8ClampedArray(0)
        const has = (x: number, y: number) => {
          const at = 4 * (y * width + x)
          return data[at] === r && data[at + 1] === g && data[at + 2] === b
        }
        const scale = width / canvas.getBoundingClientRect().width
        const corners = [-3, 0, 3].flatMap((dx) => [-3, 0, 3].map((dy) => [dx, dy] as const))
        for (let y = 10; y < height - 10; y++) {
          for (let x = 10; x < width - 20; x++) {
            if (corners.every(([dx, dy]) => has(x + dx, y + dy))) return [x / scale, y / scale] as const
          }
        }
        return null
      }, colour)
  await expect.poll(find).not.toBeNull()
  const found = await find()
  if (!found) throw new Error('the colour went away')
  return found
}

const ENHANCING: Rgb = [0xff, 0x3b, 0x3b]

/** A head of 1 mm with a bright block in the patient's left front, stored to the left or to the right. */
function marked(direction: 'LPS' | 'RAS', brightness: number): Buffer {
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

/** Uploads four files by the API, as the page does, and gives the study's id. */
async function uploaded(page: Page, direction: 'LPS' | 'RAS'): Promise<string> {
  const files = ['t1', 't1ce', 't2', 'flair'].map((sequence, i) => ({
    name: `marked_${direction}_${sequence}.nii.gz`,
    body: marked(direction, 10 * i).toString('base64'),
  }))
  return page.evaluate(async (sent) => {
    const ask = async (method: string, path: string, body?: BodyInit) => {
      const answer = await fetch(`/api/v1/${path}`, {
        method,
        body: body ?? null,
        headers: { 'X-Glioscope': '1', ...(typeof body === 'string' ? { 'Content-Type': 'application/json' } : {}) },
      })
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
      return answer.json()
    }
    const { id } = await ask('POST', 'uploads')
    for (const { name, body } of sent) {
      await ask('PUT', `uploads/${id}/files/${name}`, new Blob([Uint8Array.from(atob(body), (c) => c.charCodeAt(0))]))
    }
    const { groups } = await ask('GET', `uploads/${id}`)
    const done = await ask(
      'POST',
      `uploads/${id}/commit`,
      JSON.stringify({ groups: [{ key: groups[0].key, segment: false }] }),
    )
    return done.studies[0].study_id
  }, files)
}

describe.skipIf(reason !== null)('the viewer', () => {
  let stage: Stage
  let demo: string

  beforeAll(async () => {
    stage = await Stage.open()
    const page = await stage.show('/', look)
    // The demo patient is segmented while the page already shows it.
    await page.locator('[data-study]').first().getByText(/\d ml/).first().waitFor({ timeout: 90_000 })
    demo = await page.evaluate(async () => (await (await fetch('/api/v1/studies')).json()).items[0].id)
    await page.close()
  }, 120_000)
  afterAll(() => stage.close())

  test('draws the mask where the mask is, in its colour, and S takes it away', async () => {
    const page = await opened(stage, demo)
    await plainly(page)
    const at = await pointOf(page, ENHANCING)
    const box = await page.locator(AXIAL).first().boundingBox()
    await page.mouse.move((box?.x ?? 0) + at[0], (box?.y ?? 0) + at[1])
    await expect.poll(() => page.getByTestId('status').getAttribute('data-at')).toBe('pointer')
    expect(await page.getByTestId('label').getAttribute('data-code')).toBe('et')
    await page.keyboard.press('s')
    const [r, g, b] = await pixel(page, at)
    expect([g, b], 'grey').toEqual([r, r])
    if (pictures !== undefined) {
      mkdirSync(pictures, { recursive: true })
      await page.keyboard.press('s')
      await page.getByLabel('Draw').selectOption('both')
      await page.locator(AXIAL).first().focus()
      for (let i = 0; i < 17; i++) await page.keyboard.press('a')
      await page.keyboard.press('x')
      await page.waitForTimeout(1500)
      await page.screenshot({ path: resolve(pictures, 'viewer.png') })
    }
    await page.close()
  })

  test('scrolls without asking the server, and the address follows', async () => {
    const page = await opened(stage, demo)
    await page.waitForLoadState('networkidle').catch(() => undefined)
    const asked: string[] = []
    page.on('request', (request) => asked.push(request.url()))
    const before = await page.getByTestId('voxel').textContent()
    const box = await page.locator(AXIAL).first().boundingBox()
    await page.mouse.move((box?.x ?? 0) + 100, (box?.y ?? 0) + 100)
    for (let i = 0; i < 15; i++) await page.mouse.wheel(0, -100)
    await page.waitForFunction((old) => document.querySelector('[data-testid=voxel]')?.textContent !== old, before)
    expect(asked.filter((url) => /slice|volume|labels/.test(url))).toEqual([])
    await page.waitForURL(/at=\d+-\d+-\d+/)
    await page.close()
  })

  test('draws a surface in three dimensions', async () => {
    const page = await opened(stage, demo)
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
    await page.close()
  })

  test('makes a version of an edit, and undoes a stroke', async () => {
    const page = await opened(stage, demo)
    await plainly(page)
    const [x, y] = await pointOf(page, ENHANCING)
    const box = await page.locator(AXIAL).first().boundingBox()
    const stroke = async () => {
      await page.mouse.move((box?.x ?? 0) + x, (box?.y ?? 0) + y)
      await page.mouse.down()
      await page.mouse.move((box?.x ?? 0) + x + 12, (box?.y ?? 0) + y, { steps: 4 })
      await page.mouse.up()
    }
    await page.keyboard.press('e')
    await stroke()
    await expect.poll(() => page.getByTestId('label').getAttribute('data-code')).toBe('background')
    await page.keyboard.press('Control+z')
    await expect.poll(() => page.getByTestId('label').getAttribute('data-code')).not.toBe('background')
    await stroke()
    await page.keyboard.press('Control+s')
    await page.getByText(/Version 2 is saved/).waitFor()
    expect(await page.locator('.versions li').count()).toBe(2)
    await page.close()
  })

  test.each(['LPS', 'RAS'] as const)(
    'left is left for a file in %s order, on screen and in the picture',
    async (direction) => {
      const home = await stage.show('/', look)
      const id = await uploaded(home, direction)
      await home.close()
      const page = await opened(stage, id)
      // The block is in the patient's left front: on the right of the screen, as a radiologist expects.
      await page.keyboard.press('x')
      const { left, right } = await halves(page)
      expect(right).toBeGreaterThan(left * 1.1)
      const world = await page.getByTestId('world').textContent()
      expect(world).toMatch(/[RL] .* [AP] .* [SI] /)
      const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('i')])
      const picture = readFileSync(await download.path()).toString('base64')
      const sums = await page.evaluate(async (data) => {
        const image = new Image()
        image.src = `data:image/png;base64,${data}`
        await image.decode()
        const pane = document.querySelector('.pane[data-plane=axial] canvas')?.getBoundingClientRect()
        const canvas = document.createElement('canvas')
        canvas.width = image.width
        canvas.height = image.height
        const ctx = canvas.getContext('2d')
        ctx?.drawImage(image, 0, 0)
        const [w, h] = [Math.round(pane?.width ?? 0), Math.round(pane?.height ?? 0)]
        const pixels = ctx?.getImageData(0, 0, w, h).data ?? []
        const found = { left: 0, right: 0 }
        for (let y = Math.round(h * 0.1); y < h * 0.85; y++) {
          for (let x = Math.round(w * 0.08); x < w * 0.92; x++)
            found[x < w / 2 ? 'left' : 'right'] += pixels[4 * (y * w + x)] ?? 0
        }
        return found
      }, picture)
      expect(sums.right).toBeGreaterThan(sums.left * 1.1)
      await page.close()
    },
  )

  test.each(['en', 'ko'] as const)('has nothing that keeps a reader out, in %s', async (language) => {
    const page = await stage.show(`/studies/${demo}`, { ...look, language })
    await page.locator('.versions li').first().waitFor()
    const found = await new AxeBuilder({ page }).analyze()
    const serious = found.violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    expect(serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`)).toEqual(
      [],
    )
    await page.close()
  })

  test('no page complained', () => {
    expect(stage.complaints).toEqual([])
  })
})
