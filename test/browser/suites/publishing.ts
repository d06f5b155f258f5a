import type { Locator, Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { screenshot } from '../../support/browser.ts'
import type { ForgeStandIn } from '../../support/forges/forge.ts'
import type { GitHostFixture } from '../../support/git-host.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import { aPlace, ending, openAt, say, tab, type Workbench } from '../pages.ts'

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
      await looks(page, 'publish-refused', state)
      await state.getByRole('button', { name: 'Publish with these files' }).click()
      const link = state.getByRole('link', { name: 'Pull request #1' })
      await link.waitFor({ timeout: 60_000 })
      await looks(page, 'publish-done', state)
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
      git.inside(
        'team/project',
        `other=$(git commit-tree 'main^{tree}' -p main -m other)
         git for-each-ref --format="%(refname)" refs/heads/keelson | xargs -I{} git update-ref {} "$other"`,
      )
      await page.getByRole('button', { name: 'Update pull request' }).click()
      await state.getByText('Nothing was overwritten').waitFor({ timeout: 60_000 })
      await page.getByRole('button', { name: 'Sync' }).click()
      await page.getByRole('status', { name: 'Sync' }).getByText('Up to date').waitFor({ timeout: 60_000 })
      await looks(page, 'publish-moved', state)
      await state.getByRole('button', { name: /^Publish to keelson\/.*-2$/ }).click()
      await state.getByRole('button', { name: 'Publish with these files' }).click({ timeout: 60_000 })
      await state.getByRole('link', { name: 'Pull request #2' }).waitFor({ timeout: 60_000 })
      await context.close()
    })

    test('who may not push publishes from their own fork by one click, and the card says so', async () => {
      const { git, forge } = hosts
      git.quirks.isReadOnly.add('team/project')
      forge.forks.make = () => git.fork('team/project', 'someone/project')
      const { path } = await aPlace(bench, { kind: 'git', url: `${git.origin}/team/project.git` })
      const { page, watch, context } = await openAt(bench, path)
      await say(page, scriptOf([running('echo forked > b.txt'), { text: 'Done.' }]))
      await ending(page, /^Approved/)
      await page.getByRole('button', { name: 'Create pull request' }).click()
      const state = page.getByRole('status', { name: 'Publication' })
      await state.getByRole('button', { name: 'Publish from a fork' }).click({ timeout: 60_000 })
      await state.getByRole('link', { name: /^Pull request #/ }).waitFor({ timeout: 60_000 })
      await looks(page, 'publish-fork', state)
      const pull = forge.pulls.at(-1)
      expect({
        told: (await state.textContent())?.includes('of someone/project'),
        pull: [pull?.from, pull?.base],
        forks: forge.forks.made,
        violations: forge.violations,
        problems: watch.problems,
      }).toEqual({ told: true, pull: ['someone/project', 'main'], forks: 1, violations: [], problems: [] })
      git.quirks.isReadOnly.delete('team/project')
      await context.close()
    })

    test('what came upstream is merged by a click on Sync, a conflict is named, and its marks are one click more', async () => {
      const { git } = hosts
      git.repository('team/synced', "printf '1\\n2\\n3\\n' > a.txt; git add -A; git commit -qm first")
      const { path } = await aPlace(bench, { kind: 'git', url: `${git.origin}/team/synced.git` })
      const { page, watch, context } = await openAt(bench, path)
      watch.expect(/409/)
      await say(page, scriptOf([running("sed -i 's/^2$/mine/' a.txt"), { text: 'Done.' }]))
      await ending(page, /^Approved/)
      await tab(page, 'Files').click()
      const sync = page.getByRole('button', { name: 'Sync' })
      const state = page.getByRole('status', { name: 'Sync' })
      const told: (string | null)[] = []
      const after = async (words: string | RegExp): Promise<void> => {
        await state.getByText(words).waitFor({ timeout: 60_000 })
        told.push(await state.textContent())
      }
      await sync.click()
      await after(/^Up to date/)
      git.change('team/synced', 'echo new > new.txt; git add -A; git commit -qm second')
      await sync.click()
      await after(/^Merged/)
      await page.getByRole('treeitem', { name: 'new.txt' }).waitFor()
      git.change('team/synced', "sed -i 's/^2$/theirs/' a.txt; git commit -qam third")
      await sync.click()
      await after(/Upstream changed/)
      await looks(page, 'sync-conflict', state, [1440])
      await page.getByRole('button', { name: 'Merge with conflict marks' }).click()
      await after(/conflict marks in/)
      await looks(page, 'sync-marks', state, [1440])
      expect({
        told: told.map((text) => text?.replace(/[0-9a-f]{10}/, 'COMMIT')),
        problems: watch.problems,
      }).toEqual({
        told: [
          'Up to date at COMMIT',
          'Merged, 1 file changed at COMMIT',
          'Upstream changed what was changed here, too: a.txt. Nothing was merged.Merge with conflict marks',
          'Merged with conflict marks in a.txt. Ask for them to be resolved.',
        ],
        problems: [],
      })
      await context.close()
      if (process.env['KEELSON_SCREENSHOTS'] === undefined) return
      const narrow = await openAt(bench, path, { viewport: { width: 360, height: 740 } })
      await narrow.page.getByRole('button', { name: 'Work', exact: true }).click()
      await tab(narrow.page, 'Files').click()
      await narrow.page.getByRole('button', { name: 'Sync' }).click()
      await narrow.page.getByRole('status', { name: 'Sync' }).getByText('Up to date').waitFor()
      await looks(narrow.page, 'sync-done', narrow.page.getByRole('status', { name: 'Sync' }), [360])
      await narrow.context.close()
    })

    test('what the policy holds back is decided on the page: a question, a path, and at the end whether it is published', async () => {
      const { git } = hosts
      const { api } = bench.stack
      git.repository('team/held', 'echo one > a.txt; git add -A; git commit -qm first')
      const { path, projectId } = await aPlace(bench, { kind: 'git', url: `${git.origin}/team/held.git` })
      const environment = `/api/workspace/${projectId}/environment`
      const { network, setup } = await api.get<{ network: object; setup: object }>(environment)
      const approvals = { paths: ['.github/'], publishing: true }
      await api.call('PUT', environment, { network, setup, approvals }, { 'if-match': '"0"' })
      const { page, watch, context } = await openAt(bench, path)
      const question = { question: 'Which colour?', options: ['red', 'blue'], default: 'red' }
      await say(
        page,
        scriptOf([
          { tools: [{ name: 'ask', input: question }] },
          { tools: [{ name: 'write', input: { file_path: '.github/ci.yml', content: 'on: push\n' } }] },
          { tools: [{ name: 'write', input: { file_path: 'ci-notes.md', content: 'By hand.\n' } }] },
          { text: 'Done.' },
        ]),
      )
      await page.getByRole('button', { name: 'blue' }).click({ timeout: 60_000 })
      await page.getByRole('button', { name: 'Deny' }).click({ timeout: 60_000 })
      await ending(page, /^Approved/)
      await page.getByRole('button', { name: 'Push branch' }).click()
      const card = page.getByRole('region', { name: /^Publish to keelson/ })
      await card.waitFor({ timeout: 60_000 })
      await looks(page, 'publish-waits', card)
      await card.getByRole('button', { name: 'Publish', exact: true }).click()
      await page.getByRole('status', { name: 'Publication' }).getByText('Published to').waitFor({ timeout: 60_000 })
      const files =
        'for b in $(git for-each-ref --format="%(refname)" refs/heads/keelson); do git diff --name-only HEAD $b; done'
      await page
        .getByRole('region', { name: 'How the task ended' })
        .getByRole('button', { name: /^Evidence.* 3 decisions/ })
        .click()
      const decided = page.getByRole('region', { name: 'What was decided' })
      await decided.waitFor()
      await looks(page, 'evidence-decisions', decided)
      const entries = await decided.getByRole('listitem').allTextContents()
      expect({
        files: git.inside('team/held', files).trim(),
        decided: entries.map((text) => text.replace(/by a person, .*\d(?:\s[AP]M)?/, ' by a person: ')),
        problems: watch.problems,
      }).toEqual({
        files: 'ci-notes.md',
        decided: [
          'answered by a person: Which colour? → blue',
          'denied by a person: Change .github/ci.yml',
          expect.stringMatching(/^approved by a person: Publish to keelson\//),
        ],
        problems: [],
      })
      await context.close()
    })
  })
}

/** Both themes, wide and narrow, for whoever looks at the screenshots, once `shown` is there. */
async function looks(page: Page, name: string, shown: Locator, widths: readonly number[] = [1440, 360]): Promise<void> {
  if (process.env['KEELSON_SCREENSHOTS'] === undefined) return
  for (const width of widths) {
    const isNarrow = width === 360
    await page.setViewportSize({ width, height: isNarrow ? 740 : 900 })
    await page.getByRole('navigation', { name: 'Regions' }).waitFor({ state: isNarrow ? 'visible' : 'hidden' })
    await shown.waitFor()
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      await shown.scrollIntoViewIfNeeded()
      await page.evaluate(
        'Promise.all(document.getAnimations().filter((one) => one.effect.getComputedTiming().iterations !== Infinity).map(({ finished }) => finished))',
      )
      await screenshot(page, `${name}-${width}-${colorScheme}`)
    }
  }
  await page.emulateMedia({ colorScheme: null })
  await page.setViewportSize({ width: 1440, height: 900 })
  await page.getByRole('navigation', { name: 'Regions' }).waitFor({ state: 'hidden' })
}
