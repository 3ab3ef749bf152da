import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { serious } from './serious'
import { lacking, Stage } from './stage'
import {
  AXIAL,
  drawn,
  markedScans,
  opened,
  pixel,
  plain,
  plainly,
  pointOf,
  type Rgb,
  surfaceDrawn,
  uploaded,
} from './viewing'

const reason = lacking()
if (reason !== null) console.error(`SKIPPED: end-to-end tests of the viewer: ${reason}`)

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

const ENHANCING: Rgb = [0xff, 0x3b, 0x3b]

describe.skipIf(reason !== null)('the viewer', () => {
  let stage: Stage
  let demo: string

  beforeAll(async () => {
    stage = await Stage.open()
    const page = await stage.show('/', plain)
    // The demo patient is segmented while the page already shows it.
    await page.locator('[data-study]').first().getByText(/\d ml/).first().waitFor()
    demo = await page.evaluate(async () => (await (await fetch('/api/v1/studies')).json()).items[0].id)
    await page.close()
  })
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

  test('has the server’s picture of the slice before the volume is there', async () => {
    const who = await stage.apart()
    let come: () => void = () => undefined
    const gate = new Promise<void>((resolve) => {
      come = resolve
    })
    await who.route('**/volume.nii.gz', async (route) => {
      await gate
      await route.continue()
    })
    const page = await stage.show(`/studies/${demo}`, plain, who)
    await expect.poll(async () => (await halves(page)).left, { timeout: 20_000 }).toBeGreaterThan(5e5)
    expect(await page.getByTestId('intensity').textContent()).not.toMatch(/\d/)
    come()
    await drawn(page)
    await who.close()
  })

  test('shows slices by the server and says so, where there is neither WebGL2 nor a volume', async () => {
    const who = await stage.apart()
    await who.addInitScript(() => {
      const { getContext } = HTMLCanvasElement.prototype
      const only2d = function (this: HTMLCanvasElement, kind: string, ...more: unknown[]) {
        return kind === '2d' ? Reflect.apply(getContext, this, [kind, ...more]) : null
      }
      Reflect.set(HTMLCanvasElement.prototype, 'getContext', only2d)
    })
    await who.route('**/volume.nii.gz', (route) => route.abort())
    const page = await stage.show(`/studies/${demo}`, plain, who)
    await page.getByText(/Single slices drawn by the server are shown instead/).waitFor()
    await page.getByText(/This browser has no WebGL2/).waitFor()
    await expect.poll(async () => (await halves(page)).left).toBeGreaterThan(5e5)
    const before = await halves(page)
    await Promise.all([page.waitForResponse(/slice\.png\?plane=axial/), page.keyboard.press('PageUp')])
    await expect.poll(() => halves(page)).not.toEqual(before)
    expect(await serious(page)).toEqual([])
    await who.close()
    // That volumes did not arrive was asked for here.
    const others = stage.complaints.filter((complaint) => !/ERR_FAILED/.test(complaint))
    stage.complaints.splice(0, stage.complaints.length, ...others)
  })

  test('draws a surface in three dimensions', async () => {
    const page = await opened(stage, demo)
    await surfaceDrawn(page)
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
      const home = await stage.show('/', plain)
      const id = await uploaded(home, markedScans(direction))
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

  test.each([
    ['en', 'dark'],
    ['ko', 'light'],
  ] as const)('has nothing in any layout that keeps a reader out, in %s, %s', async (language, theme) => {
    const page = await opened(stage, demo, '', { language, theme })
    await page.locator('.versions li').first().waitFor()
    expect(await serious(page)).toEqual([])
    for (const layout of ['three', 'reading', 'sequences', 'mosaic', 'compare']) {
      await page.keyboard.press('v')
      await page.locator(`.panes[data-layout=${layout}]`).waitFor()
      expect(await serious(page), layout).toEqual([])
    }
    await page.keyboard.press('p')
    await page.locator('.edit-panel').waitFor()
    expect(await serious(page), 'editing').toEqual([])
    await page.keyboard.press('?')
    await page.getByRole('dialog').waitFor()
    expect(await serious(page), 'help').toEqual([])
    await page.close()
  })

  test('no page complained', () => {
    expect(stage.complaints).toEqual([])
  })
})
