import type { BrowserContext } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { account, loggedIn } from './entering'
import { serious } from './serious'
import { lacking, Stage } from './stage'
import { ask, drawn, markedScans, plain } from './viewing'

const reason = lacking()
if (reason !== null) console.error(`SKIPPED: end-to-end tests of accounts and roles: ${reason}`)

const told = /You may look at everything here/

describe.skipIf(reason !== null)('people and what they may do', () => {
  let stage: Stage
  let demo: string
  let editor: BrowserContext
  let viewer: BrowserContext

  beforeAll(async () => {
    stage = await Stage.open()
    editor = await stage.stranger()
    viewer = await stage.stranger()
    const page = await stage.show('/', plain)
    await page.locator('[data-study]').first().getByText(/\d ml/).first().waitFor()
    demo = (await ask<{ items: { id: string }[] }>(page, 'GET', 'studies')).items[0]?.id ?? ''
    await page.close()
  })
  afterAll(() => stage.close())

  test('with the first account everybody logs in, and that one makes the others', async () => {
    const page = await stage.show('/users', plain)
    await account(page, 'ada')
    await page.waitForURL('**/login?*')
    await loggedIn(page, 'ada', 'something else')
    await page.getByText('Name or password is wrong.').waitFor()
    await loggedIn(page, 'ada')
    await page.getByRole('heading', { name: 'Accounts' }).waitFor()
    await account(page, 'ed', 'editor')
    await page.getByLabel('Role of ed').waitFor()
    await account(page, 'vera', 'viewer')
    await page.getByLabel('Role of vera').waitFor()
    await page.close()
  })

  test.each(['en', 'ko'] as const)('a stranger sees nothing but the login, in %s', async (language) => {
    const who = await stage.stranger()
    const page = await stage.show(`/studies/${demo}`, { ...plain, language }, who)
    await page.waitForURL('**/login?*')
    await page.getByRole('button', { name: language === 'en' ? 'Log in' : '로그인' }).waitFor()
    expect(await page.getByText('P-0001').count()).toBe(0)
    expect((await page.request.get(`${stage.origin}/api/v1/studies/${demo}`)).status()).toBe(401)
    expect(await serious(page)).toEqual([])
    await who.close()
  })

  test('an editor uploads', async () => {
    const page = await stage.show('/', plain, editor)
    await loggedIn(page, 'ed')
    await page.getByRole('link', { name: 'Upload' }).click()
    const files = markedScans('LPS').map(({ name, body }) => ({ name, buffer: body, mimeType: 'application/gzip' }))
    await page.getByTestId('files').setInputFiles(files)
    await page.getByText('4 of 4 sequences').waitFor()
    await page.getByRole('button', { name: 'Store without segmentation' }).click()
    await page.waitForURL('**/studies/*')
    await drawn(page)
    await page.close()
  })

  test('a viewer sees what the editor did, may not do it, and is told so', async () => {
    const page = await stage.show('/upload', plain, viewer)
    await loggedIn(page, 'vera')
    await page.getByText(told).waitFor()
    expect(await page.getByTestId('files').count()).toBe(0)
    await page.getByRole('link', { name: 'Worklist' }).click()
    await page.locator('[data-study]').nth(1).waitFor()
    expect(await page.getByRole('link', { name: 'Upload' }).count()).toBe(0)
    expect(await serious(page)).toEqual([])
    await page.getByRole('link', { name: 'Accounts' }).click()
    await page.getByText('Only administrators see this.').waitFor()
    for (const [method, path] of [
      ['POST', 'uploads'],
      ['POST', `studies/${demo}/segmentations`],
      ['DELETE', `studies/${demo}`],
      ['PUT', `studies/${demo}/draft`],
      ['GET', 'audit'],
    ] as const) {
      await expect(ask(page, method, path), `${method} ${path}`).rejects.toThrow(/403 .*role_too_low/)
    }
    await page.close()
  })

  test('a decision of the editor appears before the viewer, who has no tools to edit', async () => {
    const theirs = await stage.show(`/studies/${demo}`, plain, viewer)
    await drawn(theirs)
    await theirs.getByText(told).waitFor()
    expect(await theirs.getByRole('button', { name: /^(Brush|Eraser|Fill|Accept|Reject)/ }).count()).toBe(0)
    const page = await stage.show(`/studies/${demo}`, plain, editor)
    await drawn(page)
    await page.getByRole('button', { name: /^Brush/ }).waitFor()
    await page.locator('.versions').locator('..').getByRole('button', { name: 'Accept' }).click()
    await theirs.locator('.versions').getByText('Accepted').waitFor()
    expect(await serious(theirs)).toEqual([])
    await Promise.all([page.close(), theirs.close()])
  })

  test('the audit log says who did it', async () => {
    const page = await stage.show('/users?tab=audit', plain)
    await page.getByRole('cell', { name: 'ed', exact: true }).first().waitFor()
    await page.getByRole('cell', { name: 'vera', exact: true }).first().waitFor()
    await page.getByRole('button', { name: 'Verify the chain' }).click()
    await page.getByText(/entries are as they were written/).waitFor()
    await page.close()
  })

  test('no page complained', () => {
    // Chromium writes down every refusal, and refusals are what was asked for here.
    expect(stage.complaints.filter((text) => !/status of 40[13]/.test(text))).toEqual([])
  })
})
