import { describe, expect, test } from 'vitest'
import { screenshot } from '../../support/browser.ts'
import type { ForgeStandIn } from '../../support/forges/forge.ts'
import type { GitHostFixture } from '../../support/git-host.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import { aPlace, ending, openAt, say, type Workbench } from '../pages.ts'

export const FORGE_TOKEN = 'token-of-a-person'

/** What a task changed gets out by clicks. */
export function publishingSuite(bench: Workbench, hosts: { git: GitHostFixture; forge: ForgeStandIn }): void {
  describe('publishing', () => {
    test('a pull request by one click, its state and links on the card; the patch and the files by one more each', async () => {
      const { git, forge } = hosts
      git.repository('team/project', 'echo one > a.txt; git add -A; git commit -qm first')
      await bench.stack.api.call('POST', '/api/credentials', {
        kind: 'git',
        host: new URL(git.origin).host,
        value: FORGE_TOKEN,
      })
      const { path } = await aPlace(bench, { kind: 'git', url: `${git.origin}/team/project.git` })
      const { page, watch, context } = await openAt(bench, path)
      await say(
        page,
        scriptOf([
          running('echo two > a.txt; mkdir -p .github/workflows; echo x > .github/workflows/x.yml'),
          { text: 'Done.' },
        ]),
      )
      await ending(page, /^Approved/)
      await page.getByRole('button', { name: 'Create pull request' }).click()
      const state = page.getByRole('status', { name: 'Publication' })
      await state.getByText('.github/workflows/x.yml').waitFor()
      await screenshot(page, 'publish-refused-1440-light')
      await state.getByRole('button', { name: 'Publish with these files' }).click()
      const link = state.getByRole('link', { name: 'Pull request #1' })
      await link.waitFor({ timeout: 60_000 })
      await screenshot(page, 'publish-done-1440-light')
      const [patch] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: 'Download patch' }).click(),
      ])
      const [files] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: 'Download files' }).click(),
      ])
      await page.reload()
      await page.getByRole('button', { name: 'Update pull request' }).waitFor()
      expect({
        href: await link.getAttribute('href'),
        pulls: forge.pulls.length,
        patch: patch.suggestedFilename().endsWith('.patch'),
        files: files.suggestedFilename().endsWith('.zip'),
        violations: forge.violations,
        problems: watch.problems,
      }).toEqual({
        href: `${git.origin}/team/project/pull/1`,
        pulls: 1,
        patch: true,
        files: true,
        violations: [],
        problems: [],
      })
      await context.close()
    })
  })
}
