import { AxeBuilder } from '@axe-core/playwright'
import { describe, expect, test } from 'vitest'
import { screenshot, screenshotLooks } from '../../support/browser.ts'
import { aPlace, openAt, type Workbench } from '../pages.ts'

const TOKEN = 'glpat-typed-on-the-page-1'

interface Listed {
  readonly items: readonly { readonly id: string; readonly kind: string; readonly host: string }[]
}

/** Tokens on the page: in once, then host and date alone. */
export function credentialsSuite(bench: Workbench): void {
  describe('credentials', () => {
    test('a token goes in once, stands there by host and date, serves a new project, and is deleted', async () => {
      const { path } = await aPlace(bench)
      const { page, watch, context } = await openAt(bench, path)
      const listed = async () => (await bench.stack.api.get<Listed>('/api/credentials')).items
      const open = async () => {
        await page.getByRole('button', { name: 'Menu', exact: true }).click()
        await page.getByRole('menuitem', { name: 'Credentials' }).click()
      }
      await open()
      const dialog = page.getByRole('dialog', { name: 'Credentials' })
      await dialog.getByText('No token is stored').waitFor()
      await dialog.getByLabel('Host').fill('https://git.example.com/group')
      await dialog.getByLabel('Token', { exact: true }).fill(TOKEN)
      watch.expect(/status of 400/)
      await dialog.getByRole('button', { name: 'Store the token' }).click()
      await dialog.getByRole('alert').getByText('must be a host').waitFor()
      const emptied = await dialog.getByLabel('Token', { exact: true }).inputValue()
      await dialog.getByLabel('Host').fill('git.example.com')
      await dialog.getByLabel('Token', { exact: true }).fill(TOKEN)
      await dialog.getByRole('button', { name: 'Store the token' }).click()
      await dialog.getByRole('list', { name: 'Stored tokens' }).getByText('git.example.com').waitFor()
      const shown = await page.content()
      const { violations } = await new AxeBuilder({ page }).analyze()
      await screenshotLooks(page, 'credentials')
      await page.keyboard.press('Escape')

      await page.getByRole('button', { name: 'New project' }).click()
      const making = page.getByRole('dialog', { name: 'New project' })
      await making.getByText('Git', { exact: true }).click()
      await making.getByRole('textbox', { name: 'URL' }).fill('https://code.example.org/team/app.git')
      await making.getByText('For a private repository').waitFor()
      await making.getByLabel('Token', { exact: true }).fill(`${TOKEN}-2`)
      await screenshot(page, 'new-project-token-1440-light')
      await making.getByRole('button', { name: 'Make the project' }).click()
      await making.waitFor({ state: 'detached' })
      const projects = await bench.stack.api.get<{ items: { source: { credentialId?: string } }[] }>(
        '/api/projects?limit=200',
      )
      const stored = await listed()

      await open()
      await dialog.getByRole('button', { name: 'Delete the token for git.example.com' }).click()
      const asked = page.getByRole('dialog', { name: 'Delete the token for git.example.com?' })
      await asked.getByRole('button', { name: 'Delete' }).click()
      // The list below is hidden from locators by role while it is asked, so that its absence would prove nothing.
      await asked.waitFor({ state: 'detached' })
      await dialog.waitFor()
      await dialog.getByText('git.example.com').waitFor({ state: 'detached' })
      expect({
        emptied,
        clear: shown.includes(TOKEN),
        stored: stored.map(({ kind, host }) => `${kind} ${host}`),
        named: projects.items.at(-1)?.source.credentialId === stored[1]?.id,
        left: (await listed()).map(({ host }) => host),
        serious: violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id }) => id),
        problems: watch.problems,
      }).toEqual({
        emptied: '',
        clear: false,
        stored: ['git git.example.com', 'git code.example.org'],
        named: true,
        left: ['code.example.org'],
        serious: [],
        problems: [],
      })
      await context.close()
    })
  })
}
