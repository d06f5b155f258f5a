import { describe, expect, test } from 'vitest'
import { scriptOf } from '../../support/model-admin.ts'
import { aPlace, ending, openAt, say, tab, thread, type Workbench } from '../pages.ts'

const MARKUP = [
  '<img src="https://evil.example/pixel.png" onerror="window.owned = true">',
  '![picture](https://evil.example/picture.png)',
  '<script>window.owned = true</script>',
  '[a harmless link](javascript:window.owned=true)',
  '[docs.example.org](https://evil.example/path)',
].join('\n\n')
const REORDERED = 'if (isAdmin) { // \u202E } \u2066 check later'
const ESCAPES =
  '\\033]52;c;b3duZWQ=\\007\\033]8;;https://evil.example\\007link\\033]8;;\\007\\033[6n\\033]0;owned\\007 plain'

/** The page's own clock: the longest stretch in which it could not answer a key. */
const LONG_TASKS = `globalThis.seen = { longest: 1 }
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) seen.longest = Math.max(seen.longest, duration)
}).observe({ type: 'longtask', buffered: true })`

/** Models, repositories and programs may write anything; the page shows it and does nothing else with it. */
export function hostileTextSuite(bench: Workbench): void {
  describe('hostile text', () => {
    test('of the model is shown as text: nothing runs, nothing is fetched, links show their host', async () => {
      const { path } = await aPlace(bench)
      const { page, watch, context } = await openAt(bench, path)
      await say(page, scriptOf([{ text: MARKUP }]))
      await ending(page, /^Done, no files changed$/)
      const links = await thread(page)
        .getByRole('link')
        .evaluateAll((all) =>
          all.map((link) => [link.getAttribute('href'), link.getAttribute('rel'), link.textContent]),
        )
      expect({
        owned: await page.evaluate<boolean>(`'owned' in window`),
        images: await thread(page).locator('img').count(),
        unsafe: links.filter(([href]) => !/^https?:/.test(href ?? '')),
        host: links.some(([, rel, text]) => text?.includes('evil.example') && rel?.includes('noopener')),
        problems: watch.problems,
      }).toEqual({ owned: false, images: 0, unsafe: [], host: true, problems: [] })
      await context.close()
    })

    test('holds the page up no longer than plain text of its length, whatever its shape', async () => {
      const longestTasks: Record<string, number> = {}
      let enoughMs = 0
      for (const [name, piece] of Object.entries({
        plain: 'a ',
        under: '_a',
        stars: '**a',
        links: '![a',
        quotes: '> ',
      })) {
        const { projectId, path } = await aPlace(bench)
        const text = `${piece.repeat(20_000 / piece.length)} end`
        const { taskId } = await bench.stack.api.chat(projectId, { message: scriptOf([{ text }]) })
        await bench.stack.api.ended(taskId)
        longestTasks[name] = await longestTaskAt(path, enoughMs)
        if (name === 'plain') enoughMs = 2.5 * longestTasks[name]
      }
      const slow = Object.entries(longestTasks).filter(([, longest]) => longest > enoughMs)
      expect(slow, JSON.stringify(longestTasks)).toEqual([])
    })

    /**
     * Of at most three visits the best one: the milliseconds of the longest task until the answer's end stands there. One that
     * takes no longer than `enoughMs` ends the visits: what else the machine does only makes them longer.
     */
    async function longestTaskAt(path: string, enoughMs: number): Promise<number> {
      let bestMs = Infinity
      for (let visit = 0; visit < 3 && bestMs > enoughMs; visit++) {
        const { page, context } = await openAt(bench, '/healthz')
        await page.addInitScript({ content: LONG_TASKS })
        await page.goto(path)
        await ending(page, /^Done, no files changed$/)
        bestMs = Math.min(
          bestMs,
          await page.evaluate<number>('new Promise((done) => setTimeout(() => done(seen.longest), 500))'),
        )
        await context.close()
      }
      return bestMs
    }

    test('in files is made visible, and in the terminal it steers nothing', async () => {
      const { path } = await aPlace(bench)
      const { page, watch, context } = await openAt(bench, path)
      await context.grantPermissions(['clipboard-read', 'clipboard-write'])
      const write = { name: 'write', input: { file_path: 'trojan.js', content: `${REORDERED}\n` } }
      const print = { name: 'bash', input: { command: `printf '${ESCAPES}\\n'` } }
      await say(page, scriptOf([{ tools: [write] }, { tools: [print] }, { text: 'Written.' }]))
      await ending(page, /^Approved/)
      await tab(page, 'Changes').click()
      await page.getByRole('region', { name: 'trojan.js' }).getByText('U+202E').first().waitFor()
      await tab(page, 'Terminal').click()
      await page.locator('.xterm-rows').getByText(/plain/).first().waitFor()
      expect({
        clipboard: await page.evaluate<string>('navigator.clipboard.readText()'),
        links: await page.locator('.xterm a').count(),
        title: (await page.title()).includes('owned'),
        problems: watch.problems,
      }).toEqual({ clipboard: '', links: 0, title: false, problems: [] })
      await context.close()
    })
  })
}
