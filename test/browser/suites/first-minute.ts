import { describe, expect, test } from 'vitest'
import { newWindow, screenshot } from '../../support/browser.ts'
import { aPlace, composer, ending, openAt, say, tab, thread, type Workbench } from '../pages.ts'

/** What `npm start` promises: one link, one click, the whole story. */
export function firstMinuteSuite(bench: Workbench): void {
  describe('the first minute', () => {
    test('by mouse: the link opens the sample project, and one click plays the story to its approval', async () => {
      const { page, watch, context } = await newWindow(bench.browser, bench.stack.state().url)
      await page.goto(bench.stack.setupUrl)
      await page.getByRole('heading', { name: 'What should be done?' }).waitFor()
      bench.cookies = await context.cookies()
      await screenshot(page, 'welcome-1440-light')
      await page.getByRole('button', { name: /Fix the failing test/ }).click()
      await thread(page).getByText('Find out why a test fails and fix the bug.').waitFor()
      await page.getByRole('list', { name: 'Phases of the task' }).waitFor()
      await ending(page, /^Approved$/)
      // The first one may be out of sight by now, and then it is not drawn.
      await thread(page).getByRole('region', { name: 'Review 2' }).waitFor()
      await tab(page, 'Changes').click()
      await page
        .getByRole('table', { name: /^Changes in / })
        .first()
        .waitFor()
      await screenshot(page, 'changes-1440-light')
      await tab(page, 'Terminal').click()
      await page
        .locator('.xterm-rows')
        .getByText(/exit|ok after/)
        .first()
        .waitFor()
      await screenshot(page, 'terminal-1440-light')
      const card = page.getByRole('region', { name: 'How the task ended' })
      expect({
        card: (await card.innerText()).includes('From cache'),
        address: new URL(page.url()).hash,
        title: (await page.title()).length > 0,
        problems: watch.problems,
      }).toEqual({ card: true, address: '', title: true, problems: [] })
      bench.storyPath = new URL(page.url()).pathname
      await context.close()
    })

    test('the link works once; a browser without it is told what to do', async () => {
      const { page, watch, context } = await newWindow(bench.browser, bench.stack.state().url)
      watch.expect(/401/)
      await page.goto(bench.stack.setupUrl)
      await page.getByText('Signed out').waitFor()
      expect(watch.problems).toEqual([])
      await context.close()
    })

    test('by keyboard alone: from the first key to the approved change and its diff', async () => {
      const { path } = await aPlace(bench, { kind: 'sample' })
      const { page, watch, context } = await openAt(bench, path)
      await page.getByRole('button', { name: /Fix the failing test/ }).waitFor()
      await page.keyboard.press('/')
      await page.keyboard.type('Find out why a test fails and fix the bug.')
      await page.keyboard.press('Enter')
      await ending(page, /^Approved$/)
      await page.keyboard.press('Alt+1')
      await page
        .getByRole('table', { name: /^Changes in / })
        .first()
        .waitFor()
      await page.keyboard.press('Alt+5')
      await page.getByRole('region', { name: 'Round 2' }).waitFor()
      await page.keyboard.press('Control+k')
      await page.getByRole('dialog').waitFor()
      await page.keyboard.type('terminal')
      await page.keyboard.press('Enter')
      await page.getByRole('region', { name: 'Terminal output' }).waitFor()
      expect(watch.problems).toEqual([])
      await context.close()
    })

    test('a reload at any instant shows the same thread, and a second viewer sees it too', async () => {
      const { path } = await aPlace(bench, { kind: 'sample' })
      const first = await openAt(bench, path)
      const second = await openAt(bench, path)
      await say(first.page, 'Find out why a test fails and fix the bug.')
      await second.page.getByRole('list', { name: 'Phases of the task' }).waitFor()
      for (let time = 0; time < 3; time++) await first.page.reload()
      await Promise.all([ending(first.page, /^Approved$/), ending(second.page, /^Approved$/)])
      const asked: string[] = []
      first.page.on('request', (request) => {
        const { pathname } = new URL(request.url())
        if (/\/(ending|evidence|alternatives|publications)$/.test(pathname)) asked.push(pathname.split('/').pop() ?? '')
      })
      await first.page.reload()
      await ending(first.page, /^Approved$/)
      const read = async (page: typeof first.page): Promise<string> => {
        await thread(page).evaluate((element) => element.scrollTo(0, element.scrollHeight))
        const card = page.getByRole('region', { name: 'How the task ended' })
        await card.getByRole('button', { name: 'Download files' }).waitFor()
        await card.getByRole('button', { name: /^Evidence/ }).waitFor()
        return await card.innerText()
      }
      expect({
        first: await read(first.page),
        // A row that leaves the window and comes back asks again.
        asked: [...new Set(asked)],
        problems: [...first.watch.problems, ...second.watch.problems],
      }).toEqual({ first: await read(second.page), asked: ['ending'], problems: [] })
      expect(await composer(first.page).inputValue()).toBe('')
      await Promise.all([first.context.close(), second.context.close()])
    })
  })
}
