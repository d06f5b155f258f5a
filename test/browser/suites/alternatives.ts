import { AxeBuilder } from '@axe-core/playwright'
import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import type { Comparison } from '../../../src/web/api/types.ts'
import { screenshot } from '../../support/browser.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import { aPlace, composer, ending, openAt, say, thread, type Workbench } from '../pages.ts'

/** Each try writes something else. */
const DIFFERENT = scriptOf([running('head -c 8 /dev/urandom | od -An -tx1 > made.txt'), { text: 'Made.' }])

const compare = (page: Page) => page.getByRole('button', { name: 'Compare and choose' })

/** Other tries at a task's request: begun, looked at side by side, and one of them taken. */
export function alternativesSuite(bench: Workbench): void {
  describe('alternatives', () => {
    test('two tries stand beside the task’s own result: none is taken, then one by keys, then one of another model by the evidence', async () => {
      const { projectId, path } = await aPlace(bench)
      const { page, watch, context } = await openAt(bench, path)
      await say(page, DIFFERENT)
      await ending(page, /^Approved/)
      const taskId = (
        await bench.stack.api.get<{ items: { taskId: string }[] }>(`/api/workspace/${projectId}/checkpoints`)
      ).items[0]?.taskId
      const { model: ownModel } = await bench.stack.api.get<{ model: string }>(`/api/tasks/${taskId}`)
      const serious: string[] = []
      const begin = async (): Promise<void> => {
        await page.getByRole('button', { name: 'Try again otherwise…' }).press('Enter')
        await page.getByRole('dialog', { name: 'Try again otherwise' }).waitFor()
      }
      const asking = page.getByRole('dialog', { name: 'Try again otherwise' })
      const waits = compare(page)

      await begin()
      const first = asking.getByRole('group', { name: 'Alternative 1' })
      await first.getByRole('checkbox', { name: 'Criteria of its own' }).check()
      await first.getByRole('textbox').fill('It says why.\n\nIt is short.')
      serious.push(...(await seriousIn(page)))
      // A window that becomes narrow, and wide again, keeps what is open in it.
      await page.setViewportSize({ width: 360, height: 740 })
      await page.getByRole('navigation', { name: 'Regions' }).waitFor({ state: 'attached' })
      await page.setViewportSize({ width: 1440, height: 900 })
      await page.getByRole('navigation', { name: 'Regions' }).waitFor({ state: 'detached' })
      expect(await first.getByRole('textbox').inputValue()).toBe('It says why.\n\nIt is short.')
      await looks(bench, path, 'alternatives-start', async (other) => {
        await other.getByRole('button', { name: 'Try again otherwise…' }).click()
        await other.getByRole('group', { name: 'Alternative 2' }).waitFor()
      })
      await asking.getByRole('button', { name: 'Start all 2' }).click()
      await asking.waitFor({ state: 'detached' })
      await thread(page).getByText('of 3 done').waitFor()
      await waits.waitFor({ timeout: 90_000 })
      await page.getByRole('button', { name: 'Take none' }).click()
      await page.getByRole('dialog', { name: 'Take none of them?' }).getByRole('button', { name: 'Take none' }).click()
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      await thread(page).getByText('Cancelled, nothing was taken').waitFor({ timeout: 60_000 })

      await begin()
      await asking.getByRole('combobox', { name: 'How many' }).selectOption('1')
      await asking.getByRole('button', { name: 'Start it' }).press('Enter')
      await waits.waitFor({ timeout: 90_000 })
      await looks(bench, path, 'alternatives-waiting', (other) => compare(other).waitFor())
      const open = await bench.stack.api.get<{ items: Comparison[] }>(`/api/tasks/${taskId}/alternatives`)
      const tried = open.items[0]?.items.find(({ index }) => index === 1)
      const aside = await openAt(bench, `/p/${tried?.projectId}/c/${tried?.conversationId}`)
      const notice = aside.page.getByRole('region', { name: 'About this try' })
      await notice.waitFor()
      const boxes = await composer(aside.page).count()
      await notice.getByRole('button', { name: 'Go to the project' }).press('Enter')
      await composer(aside.page).waitFor()
      const asideOf = {
        boxes,
        wentTo: new URL(aside.page.url()).pathname.split('/')[2],
        problems: aside.watch.problems,
      }
      await aside.context.close()
      await waits.press('Enter')
      const dialog = page.getByRole('dialog', { name: 'Alternatives side by side' })
      await dialog.getByRole('button', { name: 'Show the diff of Alternative 1' }).press('Enter')
      await dialog.getByRole('table', { name: 'Changes in made.txt' }).waitFor()
      serious.push(...(await seriousIn(page)))
      await looks(bench, path, 'alternatives-compared', async (other) => {
        await compare(other).click()
        await other.getByRole('button', { name: 'Show the diff of Alternative 1' }).click()
        await other.getByRole('table', { name: 'Changes in made.txt' }).waitFor()
      })
      await dialog.getByRole('button', { name: /^Take this one.*Alternative 1/ }).press('Enter')
      await page
        .getByRole('dialog', { name: 'Take Alternative 1?' })
        .getByRole('button', { name: 'Take it' })
        .press('Enter')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      await thread(page).getByText('Alternative 1 taken').waitFor({ timeout: 60_000 })
      await looks(bench, path, 'alternatives-taken', (other) =>
        thread(other).getByText('Alternative 1 taken').waitFor(),
      )
      await begin()
      await asking.getByRole('combobox', { name: 'How many' }).selectOption('1')
      await asking.getByRole('combobox', { name: 'Model' }).selectOption({ index: 1 })
      await asking.getByRole('checkbox', { name: 'Compare with this task’s own result' }).uncheck()
      await asking.getByRole('radio', { name: /^The evidence chooses/ }).check()
      await asking.getByRole('button', { name: 'Start it' }).press('Enter')
      await asking.waitFor({ state: 'detached' })
      await thread(page).getByText('Alternative 1 taken by the evidence').waitFor({ timeout: 90_000 })

      const { items } = await bench.stack.api.get<{ items: Comparison[] }>(`/api/tasks/${taskId}/alternatives`)
      expect({
        comparisons: items.map(({ state, chosenIndex, chosenBy, items: tries }) => ({
          state,
          chosenIndex,
          chosenBy,
          criteria: tries.map(({ criteria }) => criteria),
          models: new Set([...tries.map(({ model }) => model), ownModel]).size,
        })),
        asideOf,
        serious,
        problems: watch.problems,
      }).toEqual({
        comparisons: [
          { state: 'chosen', chosenIndex: 1, chosenBy: 'evidence', criteria: [null], models: 2 },
          { state: 'chosen', chosenIndex: 1, chosenBy: 'person', criteria: [null, null], models: 1 },
          {
            state: 'cancelled',
            chosenIndex: null,
            chosenBy: null,
            criteria: [null, ['It says why.', 'It is short.'], null],
            models: 1,
          },
        ],
        asideOf: { boxes: 0, wentTo: projectId, problems: [] },
        serious: [],
        problems: [],
      })
      await context.close()
    })
  })
}

async function seriousIn(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze()
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`))
}

/** What somebody else sees who does this: both themes, wide and narrow, for whoever looks at the screenshots. */
async function looks(bench: Workbench, path: string, name: string, act: (page: Page) => Promise<void>): Promise<void> {
  if (process.env['KEELSON_SCREENSHOTS'] === undefined) return
  for (const width of [1440, 360]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      const viewport = { width, height: width === 360 ? 740 : 900 }
      const { page, context } = await openAt(bench, path, { viewport, colorScheme, reducedMotion: 'reduce' })
      await act(page)
      await screenshot(page, `${name}-${width}-${colorScheme}`)
      await context.close()
    }
  }
}
