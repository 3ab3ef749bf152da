import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readScan, type Scan } from './nifti'
import { lacking, Stage } from './stage'
import { AXIAL, ask, drawn, plain, plainly, pointOf, type Rgb, reading } from './viewing'

const folder = resolve(process.env.GLIOSCOPE_REAL ?? '../../shared/data', 'brats')
const cases = [
  { name: 'BraTS2021_00002', order: 'LPS', flair: /_flair\./ },
  { name: 'BraTS-SSA-00047-000', order: 'RAS', flair: /-t2f\./ },
] as const

const absent = cases.every(({ name }) => existsSync(join(folder, name))) ? null : `there are no real cases in ${folder}`
const reason = lacking() ?? absent
if (reason !== null) console.error(`SKIPPED: end-to-end tests with real cases: ${reason}`)

const OEDEMA: Rgb = [0x2f, 0xbf, 0x4a]
const CODES = ['background', 'ncr', 'ed', 'et'] as const

interface Row {
  source: string
  labels_url: string
  ml: { wt: number }
}

/** Moves the pointer to a point of the axial pane and reads what the viewer says there. */
async function hovered(page: Page, [x, y]: readonly [number, number]) {
  const box = await page.locator(AXIAL).first().boundingBox()
  await page.mouse.move((box?.x ?? 0) + x, (box?.y ?? 0) + y)
  await expect.poll(async () => (await reading(page)).by).toBe('pointer')
  return reading(page)
}

/** How many voxels of a mask are tumour, and how many of two masks differ. */
function counted(mask: Scan, other: Scan): { tumour: number; different: number } {
  const counts = { tumour: 0, different: 0 }
  // Masks of the classic cases call enhancing tumour 4.
  const code = (value: number) => (value === 4 ? 3 : value)
  const [nx, ny, nz] = mask.shape
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0; x < nx; x++) {
        const here = code(mask.at([x, y, z]))
        if (here > 0) counts.tumour++
        if (here !== code(other.at([x, y, z]))) counts.different++
      }
    }
  }
  return counts
}

describe.skipIf(reason !== null)('a real case', () => {
  let stage: Stage

  beforeAll(async () => {
    stage = await Stage.open(['--no-demo'])
  })
  afterAll(() => stage.close())

  test.each(cases)('$name ($order) goes from upload to overlay, voxel by voxel', async ({ name, flair }) => {
    const files = readdirSync(join(folder, name)).map((file) => join(folder, name, file))
    const page = await stage.show('/upload', plain)
    await page.getByTestId('files').setInputFiles(files)
    await page.getByText('4 of 4 sequences').waitFor()
    await page.getByRole('button', { name: 'Start segmentation' }).click()
    await page.waitForURL('**/studies/*')
    const id = new URL(page.url()).pathname.split('/').at(-1)
    await drawn(page)
    // The reference is there at once, the model's version comes when it is made.
    await page.locator('.versions li').nth(1).waitFor()

    const study = await ask<{ segmentations: Row[] }>(page, 'GET', `studies/${id}`)
    const [made, reference] = study.segmentations
    expect([made?.source, reference?.source]).toEqual(['model', 'reference'])
    const labels = async (row: Row | undefined) =>
      readScan(await (await page.request.get(stage.origin + (row?.labels_url ?? ''))).body())
    const source = (pattern: RegExp) => readScan(readFileSync(files.find((file) => pattern.test(file)) ?? ''))
    const [mask, image] = [await labels(made), source(flair)]
    const { tumour, different } = counted(source(/seg\./), await labels(reference))
    expect(different, 'voxels of the reference that changed').toBe(0)
    expect(reference?.ml.wt).toBeCloseTo(tumour / 1000, 3)

    await plainly(page)
    const coloured = await pointOf(page, OEDEMA)
    expect((await hovered(page, coloured)).code).toBe('ed')
    const box = await page.locator(AXIAL).first().boundingBox()
    const inside = [
      [0.42, 0.35],
      [0.5, 0.45],
      [0.58, 0.55],
      [0.55, 0.3],
    ] as const
    const points = inside.map(([u, v]) => [u * (box?.width ?? 0), v * (box?.height ?? 0)] as const)
    const voxels = new Set<string>()
    for (const point of [coloured, ...points]) {
      const { voxel, intensity, code } = await hovered(page, point)
      voxels.add(voxel.join(' '))
      expect(intensity, `FLAIR at ${voxel}`).toBeCloseTo(image.at(voxel), 1)
      expect(code, `label at ${voxel}`).toBe(CODES[mask.at(voxel)])
    }
    expect(voxels.size).toBe(5)

    await page.getByRole('button', { name: 'Compare with version 1' }).click()
    const dice = page
      .locator('.comparison tr')
      .first()
      .getByText(/Dice 0\.\d/)
    await dice.waitFor()
    expect(Number((await dice.textContent())?.replace('Dice ', ''))).toBeGreaterThan(0.5)
    await page.close()
  })

  test('the first volume is on screen soon, though a segmentation takes every core', async () => {
    const page = await stage.show('/', plain)
    const line = page.locator('[data-study]').first()
    const id = (await line.getAttribute('data-study')) ?? ''
    const running = async () =>
      (await ask<{ items: { stage: string | null }[] }>(page, 'GET', 'jobs?state=running')).items
    const times: string[] = []
    const after: number[] = []
    for (let i = 0; i < 4; i++) {
      await page.waitForLoadState('networkidle').catch(() => undefined)
      await ask(page, 'POST', `studies/${id}/segmentations`, {})
      await expect.poll(async () => (await running())[0]?.stage, { timeout: 20_000, interval: 20 }).toBe('network')
      const began = performance.now()
      await line.locator('a.study-link').click()
      await drawn(page)
      after.push(Math.round(performance.now() - began))
      const [at] = await running()
      times.push(`${after.at(-1)} ms (${at === undefined ? 'it had ended' : `then at: ${at.stage}`})`)
      await page.getByRole('link', { name: 'To the worklist' }).click()
      await expect.poll(async () => (await running()).length, { timeout: 90_000 }).toBe(0)
    }
    console.info(`first volume of a real case on screen while it is segmented: ${times.join(', ')}`)
    expect(Math.min(...after)).toBeLessThan(5000)
    await page.close()
  })

  test('no page complained', () => {
    expect(stage.complaints).toEqual([])
  })
})
