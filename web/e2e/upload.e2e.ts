import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { lacking, Stage } from './stage'

const reason = lacking()
if (reason !== null) console.error(`SKIPPED: end-to-end tests of the upload: ${reason}`)

const look = { language: 'en', theme: 'dark' } as const

function scans(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => path.endsWith('.nii.gz') && statSync(path).isFile())
    .filter((path) => !/seg|mask|label/i.test(basename(path)))
}

describe.skipIf(reason !== null)('from files to volumes', () => {
  let stage: Stage

  beforeAll(async () => {
    stage = await Stage.open(['--no-demo'])
  })
  afterAll(() => stage.close())

  test('an empty list leads to the upload; four files become a study with volumes', async () => {
    const page = await stage.show('/', look)
    await page.getByRole('button', { name: 'Upload an examination' }).click()
    const files = scans(stage.phantom(2))
    expect(files).toHaveLength(4)
    await page.getByTestId('files').setInputFiles(files)
    await page.getByText('4 of 4 sequences').waitFor()
    await page.getByRole('button', { name: 'Start segmentation' }).click()
    await page.waitForURL('**/studies/*')
    await page.goto(`${stage.origin}/`)
    const line = page.locator('[data-study]').first()
    await line.getByText(/\d ml/).first().waitFor({ timeout: 90_000 })
    expect(await line.textContent()).toContain('Draft')
    await page.close()
  })

  test('a damaged file says what is wrong beside itself, and nothing is stored', async () => {
    const page = await stage.show('/upload', look)
    const [whole] = scans(stage.phantom(3))
    const broken = join(stage.folder, 'broken_flair.nii.gz')
    const bytes = readFileSync(whole ?? '')
    writeFileSync(broken, bytes.subarray(0, bytes.length / 2))
    await page.getByTestId('files').setInputFiles([broken])
    const line = page.locator('.file-line', { hasText: 'broken_flair' })
    await line.getByRole('alert').waitFor()
    const store = page.getByRole('button', { name: /Store|Start/ }).first()
    expect(await store.isDisabled()).toBe(true)
    await line.getByRole('button', { name: 'Remove' }).click()
    await line.waitFor({ state: 'detached' })
    await page.close()
  })

  test('a study goes to the bin and comes back', async () => {
    const page = await stage.show('/', look)
    await page.locator('[data-study] input').first().check()
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('button', { name: 'Undo' }).click()
    await page.getByText('1 study restored').waitFor()
    await page.locator('[data-study]').first().waitFor()
    await page.close()
  })
})
