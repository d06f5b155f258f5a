import { describe, expect, test } from 'vitest'
import { screenshot } from '../../support/browser.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import { waitFor } from '../../support/wait-for.ts'
import { aPlace, ending, openAt, say, tab, type Workbench } from '../pages.ts'

const TWO_FILES = scriptOf([
  running('mkdir -p src && printf "one\\ntwo\\n" > src/a.txt'),
  running('printf "const answer = 42\\n" > answer.js; echo written'),
  { text: 'Two files.' },
])

/** The right-hand region, tab by tab. */
export function panelsSuite(bench: Workbench): void {
  describe.concurrent('the panels', () => {
    test('show the change, the files, the checkpoints and the figures of a task', async () => {
      const { path } = await aPlace(bench)
      const { page, watch, context } = await openAt(bench, path)
      await say(page, TWO_FILES)
      await ending(page, /^Approved/)
      await tab(page, 'Changes').click()
      await page.getByRole('region', { name: 'answer.js' }).getByText('const answer = 42').waitFor()
      await page.getByRole('button', { name: 'Show side by side' }).click()
      await page.getByRole('button', { name: 'Show under each other' }).waitFor()
      await page.getByRole('region', { name: 'answer.js' }).getByRole('checkbox', { name: 'viewed' }).check()
      await page
        .getByRole('region', { name: 'answer.js' })
        .getByText('const answer = 42')
        .waitFor({ state: 'detached' })
      await tab(page, 'Files').click()
      await page.getByRole('treeitem', { name: 'src' }).press('ArrowRight')
      await page.getByRole('treeitem', { name: 'a.txt' }).press('Enter')
      await page.getByRole('region', { name: 'Content of src/a.txt' }).getByText('two').waitFor()
      const address = page.url()
      await tab(page, 'Checkpoints').click()
      const checkpoints = page.getByRole('list', { name: 'Checkpoints, newest first' }).getByRole('listitem')
      await waitFor(async () => (await checkpoints.count()) >= 3, 'a checkpoint before the task and one a turn')
      await screenshot(page, 'checkpoints-1440-light')
      await tab(page, 'Metrics').click()
      await page.getByText('Right at first').waitFor()
      await page.getByText('As a table').first().click()
      await screenshot(page, 'metrics-1440-light')
      await page.goto(address)
      await page.getByRole('region', { name: 'Content of src/a.txt' }).getByText('two').waitFor()
      expect(watch.problems).toEqual([])
      await context.close()
    })

    test('the terminal shows the commands under each other, whatever the one before left switched on', async () => {
      const { path } = await aPlace(bench)
      const { page, watch, context } = await openAt(bench, path)
      await say(
        page,
        scriptOf([running("echo alpha; printf '\\033[31m\\033[?25l'"), running('echo beta'), { text: 'Both ran.' }]),
      )
      await ending(page, /^Done, no files changed$/)
      await tab(page, 'Terminal').click()
      const rows = page.locator('.xterm-rows > div')
      const read = async (): Promise<string[]> =>
        (await rows.allInnerTexts()).map((line) => line.replace(/after .*/, '').trim()).filter((line) => line !== '')
      await waitFor(async () => (await read()).includes('beta'), 'the second command stands there')
      expect({
        lines: (await read()).filter((line) => !line.startsWith('$ echo alpha')),
        problems: watch.problems,
      }).toEqual({
        lines: ['alpha', 'ok', '$ echo beta', 'beta', 'ok'],
        problems: [],
      })
      await context.close()
    })

    test('Undo brings the files back and says so in the conversation', async () => {
      const { projectId, path } = await aPlace(bench)
      const { page, watch, context } = await openAt(bench, path)
      await say(page, TWO_FILES)
      await ending(page, /^Approved/)
      await page.getByRole('button', { name: 'Undo', exact: true }).click()
      await page.getByRole('button', { name: 'Undo the changes' }).click()
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      await tab(page, 'Files').click()
      await page.getByRole('tree', { name: 'Files' }).waitFor()
      await page.getByRole('tree', { name: 'Files' }).getByText('answer.js').waitFor({ state: 'detached' })
      const notes = await bench.stack.query<{ role: string }>(
        `SELECT role FROM messages WHERE project_id = $1 AND role = 'note'`,
        [projectId],
      )
      expect({ notes: notes.length, problems: watch.problems }).toEqual({ notes: 1, problems: [] })
      await context.close()
    })

    test('the context is made anew on request', async () => {
      const { path } = await aPlace(bench, { kind: 'sample' })
      const { page, watch, context } = await openAt(bench, `${path}?tab=context`)
      await page.getByText('No context yet').waitFor()
      await page.getByRole('button', { name: 'Regenerate' }).click()
      await waitFor(async () => {
        await page.reload()
        await page.getByRole('button', { name: 'Regenerate' }).waitFor()
        return (await page.getByRole('region', { name: 'Project context' }).count()) > 0
      }, 'the context stands there')
      await screenshot(page, 'context-1440-light')
      watch.expect(/404/)
      expect(watch.problems.filter((problem) => !problem.includes('404'))).toEqual([])
      await context.close()
    })

    test('what waits for a person is chosen on the page, and a pattern that cannot be taken is named by its line', async () => {
      const { projectId, path } = await aPlace(bench)
      const { page, watch, context } = await openAt(bench, `${path}?tab=environment`)
      watch.expect(/400/)
      const paths = page.getByRole('textbox', { name: 'Paths that wait for a person' })
      await paths.fill('.github/\n**')
      await page.getByRole('textbox', { name: 'Commands that wait for a person' }).fill('npm publish')
      await page.getByRole('button', { name: 'Save' }).click()
      await page.getByRole('alert').getByText('Paths that wait for a person, line 2 (“**”)').waitFor()
      await screenshot(page, 'policy-refused-1440-light')
      await paths.fill('.github/')
      await page.getByRole('checkbox', { name: 'Publishing waits for a person' }).check()
      await page.getByRole('button', { name: 'Save' }).click()
      await page.getByText('Saved as version 1.').waitFor()
      const { body } = await bench.stack.api.call<{ approvals: object }>(
        'GET',
        `/api/workspace/${projectId}/environment`,
      )
      expect({ approvals: body.approvals, problems: watch.problems }).toEqual({
        approvals: {
          commands: ['npm publish'],
          paths: ['.github/'],
          hosts: [],
          publishing: true,
          expiresInHours: 168,
          remembered: [],
        },
        problems: [],
      })
      await context.close()
    })

    test('criteria that are changed hold from the next task on, and a stale editor is told', async () => {
      const { projectId, path } = await aPlace(bench)
      const { page, context } = await openAt(bench, `${path}?tab=review`)
      await page.getByRole('button', { name: 'Criteria' }).click()
      await page.getByRole('checkbox', { name: 'Review what tasks change' }).uncheck()
      await page.getByRole('button', { name: 'Save' }).click()
      await page.getByText('Version 1', { exact: true }).waitFor()
      await screenshot(page, 'criteria-1440-light')
      await say(page, TWO_FILES)
      await ending(page, /^Done, not reviewed$/)
      const stale = await bench.stack.api.call<{ version: number; criteria: object[]; checks: object[] }>(
        'GET',
        `/api/workspace/${projectId}/review-criteria`,
      )
      await bench.stack.api.call(
        'PUT',
        `/api/workspace/${projectId}/review-criteria`,
        { criteria: stale.body.criteria, checks: stale.body.checks, maxFixRounds: 1, enabled: true },
        { 'if-match': '"1"' },
      )
      await page.getByRole('checkbox', { name: 'Review what tasks change' }).check()
      await page.getByRole('button', { name: 'Save' }).click()
      await page.getByText('Somebody saved a newer version meanwhile.').waitFor()
      await page.getByRole('button', { name: 'Load the newest' }).click()
      await page.getByText('Version 2', { exact: true }).waitFor()
      expect(await page.getByRole('combobox', { name: 'Fix rounds' }).inputValue()).toBe('1')
      await context.close()
    })
  })
}
