import { describe, expect, test } from 'vitest'
import { screenshot } from '../../support/browser.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import { aPlace, ending, openAt, say, thread, type Workbench } from '../pages.ts'

/** Parts die while somebody watches. */
export function troubleSuite(bench: Workbench): void {
  describe('trouble', () => {
    test('the worker is killed while one watches: the task goes on, each command once', async () => {
      const { projectId, path } = await aPlace(bench)
      const { page, watch, context } = await openAt(bench, path)
      await say(page, scriptOf([running('echo one >> log.txt; sleep 2; echo two >> log.txt'), { text: 'Logged.' }]))
      await thread(page)
        .getByRole('button', { name: /sleep 2/ })
        .waitFor()
      await bench.stack.killAndAwait('worker')
      await ending(page, /^Approved/)
      const log = await bench.stack.api.get<{ content: string }>(
        `/api/workspace/${projectId}/files/content?path=log.txt`,
      )
      expect({ log: log.content, problems: watch.problems }).toEqual({ log: 'one\ntwo\n', problems: [] })
      await context.close()
    })

    test('the server is killed while one watches: the page comes back by itself and misses nothing', async () => {
      const { path } = await aPlace(bench)
      const { page, watch, context } = await openAt(bench, path)
      // What the browser itself says about a connection that broke.
      watch.expect(/ERR_|net::|Failed to load resource/)
      await say(page, scriptOf([{ repeat: 3, ...running('echo {{turn}}; sleep 1') }, { text: 'Three turns.' }]))
      await thread(page)
        .getByRole('button', { name: /echo 1/ })
        .first()
        .waitFor()
      await bench.stack.killAndAwait('server')
      await ending(page, /^Done, no files changed$/)
      await thread(page).getByText('Three turns.', { exact: true }).waitFor()
      expect({
        calls: await thread(page)
          .getByRole('button', { name: /sleep 1/ })
          .count(),
        problems: watch.problems,
      }).toEqual({ calls: 3, problems: [] })
      await context.close()
    })

    test('a part whose code the server does not give says so, leaves the rest alone, and comes when one tries again', async () => {
      const { path } = await aPlace(bench)
      const { page, watch, context } = await openAt(bench, path)
      watch.expect(/ERR_|Failed to load resource|did not give it/)
      let isAway = true
      await page.route(/assets\/new-project-dialog/, async (route) => await (isAway ? route.abort() : route.continue()))
      await page.getByRole('button', { name: 'New project' }).click()
      await page.getByRole('alert').getByText('did not give it').waitFor()
      await screenshot(page, 'lost-part-1440-light')
      await say(page, scriptOf([{ text: 'The rest works.' }]))
      await thread(page).getByText('The rest works.', { exact: true }).waitFor()
      isAway = false
      await page.getByRole('button', { name: 'Try again', exact: true }).click()
      await page.getByRole('dialog', { name: 'New project' }).waitFor()
      expect(watch.problems).toEqual([])
      await context.close()
    })

    test('with every stream blocked the page still follows, more slowly, and says so', async () => {
      const { path } = await aPlace(bench)
      const { page, watch, context } = await openAt(bench, 'about:blank')
      watch.expect(/ERR_|Failed to load resource/)
      await page.route(/\/events/, (route) => route.abort())
      await page.goto(path)
      await page.getByText('Slow updates').waitFor({ timeout: 60_000 })
      await screenshot(page, 'polling-1440-light')
      await say(page, scriptOf([{ text: 'Seen without a stream.' }]))
      await thread(page).getByText('Seen without a stream.', { exact: true }).waitFor({ timeout: 60_000 })
      expect(watch.problems).toEqual([])
      await context.close()
    })
  })
}
