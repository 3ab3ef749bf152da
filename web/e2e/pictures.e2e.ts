import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { account, loggedIn } from './entering'
import { glioscope, type Look, lacking, Stage } from './stage'
import { AXIAL, ask, opened, plain, pointOf, type Rgb, sent, surfaceDrawn, uploaded } from './viewing'

/** `npm run screenshots` writes the pictures of the documentation: of phantoms only. */
const pictures = process.env.SCREENSHOTS
const LIMIT = 300_000
const KOREAN: Look = { language: 'ko', theme: 'light' }
const OEDEMA_LINE: Rgb = [0x2f, 0xbf, 0x4a]

interface Row {
  id: string
  patient: { id: string }
  segmentation: { id: string } | null
}

async function kept(page: Page, name: string): Promise<void> {
  const path = resolve(pictures ?? '', `${name}.png`)
  await page.screenshot({ path, animations: 'disabled', caret: 'hide' })
  expect(statSync(path).size, `${name}.png`).toBeLessThan(LIMIT)
  await page.close()
}

/** Until the study has a mask; gives its id. */
function segmented(page: Page, study: string): Promise<string> {
  const found = async () => {
    const { segmentation } = await ask<Row>(page, 'GET', `studies/${study}`)
    if (segmentation === null) throw new Error('not segmented yet')
    return segmentation.id
  }
  return vi.waitFor(found, { timeout: 60_000, interval: 250 })
}

/** A patient with three examinations, and another one whose FLAIR is still missing. */
async function furnished(stage: Stage): Promise<string> {
  const page = await stage.show('/', plain)
  await page.locator('[data-study]').first().waitFor({ timeout: 60_000 })
  const demo = (await ask<{ items: Row[] }>(page, 'GET', 'studies')).items[0]
  const id = demo?.id ?? ''
  const mask = await segmented(page, id)
  const patient_id = demo?.patient.id
  const others = [
    [2, { patient_id, date: '2026-03-02', segment: true }],
    [3, { patient_id, date: '2026-06-11', segment: true }],
  ] as const
  for (const [seed, wishes] of others) await segmented(page, await uploaded(page, sent(stage.phantom(seed)), wishes))
  const three = sent(stage.phantom(4)).filter(({ name }) => !/flair|t2f/.test(name))
  await uploaded(page, three, { date: '2026-09-10' })
  await ask(page, 'PATCH', `studies/${id}`, { date: '2026-09-14' })
  await ask(page, 'PATCH', `segmentations/${mask}`, { state: 'accepted' })
  await page.close()
  return id
}

/** The default recipe with a narrow net, small patches and few steps. */
function hasty(recipe: string): string {
  const [stage] = recipe.split('[[training.stage]]').slice(1)
  const changes: readonly (readonly [RegExp, string])[] = [
    [/^widths = .*$/m, 'widths = [8, 16, 32]'],
    [/^deep_supervision = .*$/m, 'deep_supervision = [1.0, 0.5]'],
    [/^count = .*$/m, 'count = 2'],
    [/^checkpoint_every = .*$/m, 'checkpoint_every = 40'],
    [/^validate_every = .*$/m, 'validate_every = 40'],
    [/^warm_up = .*$/m, 'warm_up = 10'],
    [/^phantoms = .*$/m, 'phantoms = 1'],
    [/^steps = .*$/m, 'steps = 120'],
    [/^patch = .*$/m, 'patch = [32, 32, 32]'],
  ]
  const rest = recipe.slice(recipe.lastIndexOf('batch = '))
  const one = `${recipe.slice(0, recipe.indexOf('[[training.stage]]'))}[[training.stage]]${stage?.split('batch')[0]}${rest}`
  return changes.reduce((text, [from, to]) => text.replace(from, to), one)
}

/** A folder with a training run and an evaluation, both of phantoms. */
function studied(): string {
  const runs = mkdtempSync(join(tmpdir(), 'glioscope-runs-'))
  const [heads, found, recipe] = ['heads', 'found', 'recipe.toml'].map((name) => join(runs, 'of', name))
  if (heads === undefined || found === undefined || recipe === undefined) throw new Error('no names')
  glioscope('--quiet', 'phantom', '--out', heads, '--seed', '11', '--count', '2')
  writeFileSync(recipe, hasty(readFileSync('../recipes/default.toml', 'utf8')))
  glioscope('--quiet', 'train', '--data', heads, '--recipe', recipe, '--out', join(runs, 'narrow-on-phantoms'))
  for (const name of readdirSync(heads)) glioscope('--quiet', 'segment', join(heads, name), '--out', join(found, name))
  glioscope('--quiet', 'evaluate', '--reference', heads, '--pred', found, '--out', join(runs, 'shipped-on-phantoms'))
  return runs
}

describe.skipIf(pictures === undefined || lacking() !== null)('pictures', () => {
  let stage: Stage
  let study: string
  let runs: string

  beforeAll(async () => {
    mkdirSync(resolve(pictures ?? ''), { recursive: true })
    runs = studied()
    stage = await Stage.open(['--runs', runs])
    study = await furnished(stage)
  }, 240_000)
  afterAll(async () => {
    await stage.close()
    rmSync(runs, { recursive: true, force: true })
  })

  /** The study when everything that a layout shows has arrived. */
  async function settled(query: string, look = plain): Promise<Page> {
    const page = await opened(stage, study, query, look)
    await page.locator('.versions li').first().waitFor()
    await page.waitForLoadState('networkidle')
    return page
  }

  test.each([
    ['worklist', plain],
    ['worklist-ko', KOREAN],
  ] as const)('%s', async (name, look) => {
    const page = await stage.show('/', look)
    await page.locator('[data-study]').nth(3).waitFor()
    await page.waitForLoadState('networkidle')
    await kept(page, name)
  })

  test('upload', async () => {
    const page = await stage.show('/upload', plain)
    const whole = stage.phantom(5)
    const broken = join(stage.folder, 'control_flair.nii.gz')
    const bytes = readFileSync(whole[0] ?? '')
    writeFileSync(broken, bytes.subarray(0, bytes.length / 2))
    await page.getByTestId('files').setInputFiles([...whole, broken])
    await page.getByText('4 of 4 sequences').waitFor()
    await page.locator('.file-line', { hasText: 'control_flair' }).getByRole('alert').first().waitFor()
    await expect.poll(() => page.locator('.file-line img').count()).toBe(4)
    await page.waitForLoadState('networkidle')
    await kept(page, 'upload')
  })

  test.each([
    ['viewer', plain],
    ['viewer-ko', KOREAN],
  ] as const)('%s', async (name, look) => {
    const page = await settled('', look)
    await surfaceDrawn(page)
    await kept(page, name)
  })

  // Lower than the others, to stay below the limit: images fill these pictures.
  test.each([
    ['reading', 620],
    ['mosaic', 580],
  ])('viewer-%s', async (layout, height) => {
    await kept(await settled(`?layout=${layout}`, { ...plain, height }), `viewer-${layout}`)
  })

  test('viewer-editing, and the comparison of what it made', async () => {
    const page = await settled('?seq=t1c&layout=single')
    const [x, y] = await pointOf(page, OEDEMA_LINE, 0)
    const box = await page.locator(AXIAL).first().boundingBox()
    await page.keyboard.press('p')
    await page.mouse.move((box?.x ?? 0) + x, (box?.y ?? 0) + y)
    await page.mouse.down()
    await page.mouse.move((box?.x ?? 0) + x + 50, (box?.y ?? 0) + y + 12, { steps: 8 })
    await page.mouse.up()
    await page.getByText('Draft kept on the server').waitFor()
    const path = resolve(pictures ?? '', 'viewer-editing.png')
    await page.screenshot({ path, animations: 'disabled', caret: 'hide' })
    expect(statSync(path).size).toBeLessThan(LIMIT)
    await page.keyboard.press('Control+s')
    await page.locator('.versions li').nth(1).waitFor()
    await page.close()
    const compared = await settled('?layout=compare&seq=t1c')
    await compared
      .locator('.comparison')
      .getByText(/Dice \d/)
      .first()
      .waitFor()
    await kept(compared, 'viewer-comparison')
  })

  test('two studies beside each other', async () => {
    const { items } = await (async () => {
      const page = await stage.show('/', plain)
      const list = await ask<{ items: { id: string; date: string }[] }>(page, 'GET', 'studies?state=draft')
      await page.close()
      return list
    })()
    const earlier = items.find(({ date }) => date === '2026-03-02')?.id ?? ''
    const page = await stage.show(`/compare?a=${earlier}&b=${study}`, { ...plain, height: 620 })
    await page.locator('.pair-table').getByText(/%/).first().waitFor()
    await page.waitForLoadState('networkidle')
    await kept(page, 'compare')
  })

  test('a study on paper', async () => {
    const page = await settled('')
    await page.emulateMedia({ media: 'print' })
    await page.setViewportSize({ width: 718, height: 760 })
    await page.evaluate(() => window.dispatchEvent(new Event('beforeprint')))
    await kept(page, 'print')
  })

  test.each([
    ['patients', 'P-0001'],
    ['models', 'Learnt from'],
    ['settings', 'Tissue colours'],
  ])('%s', async (name, shows) => {
    const page = await stage.show(`/${name}`, plain)
    await page.getByText(shows).first().waitFor()
    await kept(page, name)
  })

  test.each([
    ['training', 'Loss'],
    ['evaluations', 'Dice'],
  ])('%s', async (tab, shows) => {
    const page = await stage.show(`/models?tab=${tab}`, { ...plain, height: 900 })
    await page.getByText(shows, { exact: true }).first().waitFor()
    await kept(page, tab)
  })

  test('bin', async () => {
    const page = await stage.show('/?bin=true', { ...plain, height: 420 })
    const incomplete = (await ask<{ items: Row[] }>(page, 'GET', 'studies?state=incomplete')).items[0]?.id ?? ''
    await page.request.delete(`${stage.origin}/api/v1/studies/${incomplete}`, {
      headers: { 'X-Glioscope': '1', Origin: stage.origin },
    })
    await page.locator('[data-study]').first().waitFor()
    await page.waitForLoadState('networkidle')
    await kept(page, 'bin')
  })

  test('accounts, login, tokens and audit', async () => {
    const page = await stage.show('/users', plain)
    await account(page, 'ada')
    await page.waitForURL('**/login?*')
    await page.getByRole('button', { name: 'Log in' }).waitFor()
    await kept(page, 'login')
    const again = await stage.show('/users', plain)
    await again.waitForURL('**/login?*')
    await loggedIn(again, 'ada')
    await account(again, 'ed', 'editor')
    await again.getByLabel('Role of ed').waitFor()
    await account(again, 'vera', 'viewer')
    await again.getByLabel('Role of vera').waitFor()
    await kept(again, 'accounts')
    const tokens = await stage.show('/users?tab=tokens', { ...plain, height: 420 })
    await tokens.getByText('API tokens').first().waitFor()
    await tokens.waitForLoadState('networkidle')
    await kept(tokens, 'tokens')
    const audit = await stage.show('/users?tab=audit', plain)
    await audit.getByRole('cell', { name: 'ada', exact: true }).first().waitFor()
    await kept(audit, 'audit')
  })
})
