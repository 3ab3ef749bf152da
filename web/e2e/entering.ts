import type { Page } from 'playwright-core'

/** Fills the login page. */
export async function loggedIn(page: Page, name: string, password = `secret of ${name}`): Promise<void> {
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Log in' }).click()
}

/** Makes an account on the page of accounts; the first one is an administrator. */
export async function account(page: Page, name: string, role?: 'editor' | 'viewer'): Promise<void> {
  const form = page.getByRole('form', { name: 'New account' })
  await form.getByLabel('Name').fill(name)
  await form.getByLabel('Password').fill(`secret of ${name}`)
  if (role !== undefined) await form.getByLabel('Role').selectOption(role)
  await form.getByRole('button', { name: 'Create' }).click()
}
