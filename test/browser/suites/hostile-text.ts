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
