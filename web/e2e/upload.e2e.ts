import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { serious } from './serious'
import { lacking, Stage } from './stage'
import { ask, plain } from './viewing'

const reason = lacking()
if (reason !== null) console.error(`SKIPPED: end-to-end tests of the upload: ${reason}`)

describe.skipIf(reason !== null)('from files to volumes', () => {
  let stage: Stage

  beforeAll(async () => {
    stage = await Stage.open(['--no-demo'])
  })
  afterAll(() => stage.close())

  test('an empty list leads to the upload; four files become a study with volumes', async () => {
    const page = await stage.show('/', plain)
    await page.getByRole('button', { name: 'Upload an examination' }).click()
    const files = stage.phantom(2)
    expect(files).toHaveLength(4)
    await page.getByTestId('files').setInputFiles(files)
    await page.getByText('4 of 4 sequences').waitFor()
    await page.getByRole('button', { name: 'Start segmentation' }).click()
    await page.waitForURL('**/studies/*')
    await page.goto(`${stage.origin}/`)
    const line = page.locator('[data-study]').first()
    await line.getByText(/\d ml/).first().waitFor()
    expect(await line.textContent()).toContain('Draft')
    await page.close()
  })

  test('a segmentation is cancelled, and the volumes from before stay', async () => {
    const page = await stage.show('/', plain)
    const line = page.locator('[data-study]').first()
    const states = async () =>
      (await ask<{ items: { state: string }[] }>(page, 'GET', 'jobs')).items.map((job) => job.state)
    // A phantom may be done before the hand is there: then once more.
    let ends = await states()
    for (let tries = 0; tries < 5 && !ends.includes('cancelled'); tries++) {
      const n = ends.length + 1
      await line.getByRole('checkbox').check()
      await page.getByRole('button', { name: 'Segment again' }).click()
      const cancel = line.getByRole('button', { name: 'Cancel the segmentation' })
      await cancel.click({ timeout: 5_000 }).catch(() => undefined)
      const ended = async () => {
        ends = await states()
        return ends.filter((state) => state === 'done' || state === 'cancelled').length
      }
      await expect.poll(ended, { timeout: 20_000 }).toBe(n)
    }
    expect(ends).toContain('cancelled')
    await line.getByText('Draft').waitFor()
    await line.getByText(/\d ml/).first().waitFor()
    const [study] = (await ask<{ items: { id: string }[] }>(page, 'GET', 'studies')).items
    const { segmentations } = await ask<{ segmentations: unknown[] }>(page, 'GET', `studies/${study?.id}`)
    expect(segmentations).toHaveLength(ends.filter((state) => state === 'done').length)
    await page.close()
  })

  test('bad files say what is wrong beside themselves, in both languages, and nothing is stored', async () => {
    const page = await stage.show('/upload', plain)
    const [whole] = stage.phantom(2)
    const broken = join(stage.folder, 'broken_flair.nii.gz')
    const bytes = readFileSync(whole ?? '')
    writeFileSync(broken, bytes.subarray(0, bytes.length / 2))
    const letter = join(stage.folder, 'letter_t1.nii')
    writeFileSync(letter, 'Dear reader, this is a letter and no image. '.repeat(20))
    await page.getByTestId('files').setInputFiles([broken, letter])
    const line = (name: string) => page.locator('.file-line', { hasText: name })
    await line('broken_flair').getByRole('alert').getByText('copy it again from its source').waitFor()
    await line('letter_t1').getByRole('alert').getByText('This is not a NIfTI file.').waitFor()
    const stores = page.getByRole('button', { name: /^(Store|Start)/ })
    for (const store of await stores.all()) expect(await store.isDisabled()).toBe(true)
    expect(await serious(page)).toEqual([])
    await page.getByRole('button', { name: '한국어' }).click()
    await line('broken_flair').getByRole('alert').getByText('원본에서 다시 복사하십시오').waitFor()
    await line('letter_t1').getByRole('alert').getByText('NIfTI 파일이 아닙니다.').waitFor()
    expect(await serious(page)).toEqual([])
    for (const name of ['broken_flair', 'letter_t1']) {
      await line(name).getByRole('button', { name: '제거' }).click()
      await line(name).waitFor({ state: 'detached' })
    }
    expect((await ask<{ total: number }>(page, 'GET', 'studies')).total).toBe(1)
    await page.close()
  })

  test('a study goes to the bin and comes back', async () => {
    const page = await stage.show('/', plain)
    await page.locator('[data-study] input').first().check()
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('button', { name: 'Undo' }).click()
    await page.getByText('1 study restored').waitFor()
    await page.locator('[data-study]').first().waitFor()
    await page.close()
  })

  test('no page complained', () => {
    expect(stage.complaints).toEqual([])
  })
})
