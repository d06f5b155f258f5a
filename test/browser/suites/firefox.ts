import { describe, expect, test } from 'vitest'
import { makeLinkToken } from '../../../src/shared/sign-in-link.ts'
import { FIREFOX_PATH, FirefoxWindow, NO_FIREFOX } from '../../support/firefox.ts'
import { waitFor } from '../../support/wait-for.ts'
import { aPlace, type Workbench } from '../pages.ts'

/** The page in another engine: the shortest way from the link to the change. */
export function firefoxSuite(bench: Workbench): void {
  describe('in Firefox', () => {
    test('the link signs in, a message is sent, its change is approved and seen, in the dark theme', async ({
      skip,
    }) => {
      skip(FIREFOX_PATH === undefined, NO_FIREFOX)
      const { path } = await aPlace(bench, { kind: 'sample' })
      const { url, apiToken } = bench.stack.state()
      const window = await FirefoxWindow.open(FIREFOX_PATH ?? '')
      try {
        await window.goto(`${url}/#setup=${makeLinkToken(apiToken, Date.now())}`)
        await window.until(`document.querySelector('[role=log], main h2') !== null`, 'the page is signed in')
        await window.goto(`${url}${path}`)
        await window.until(`document.body.innerText.includes('What should be done?')`, 'the conversation is open')
        // A click may come while the page is still laid out; what is typed must not go anywhere else.
        const hasFocus = `document.activeElement?.matches('main textarea')`
        await waitFor(async () => {
          await window.click('textbox', 'Message to the agent')
          return await window.evaluate<boolean | null>(hasFocus)
        }, 'the composer has the focus')
        await window.typeLine('Find out why a test fails and fix the bug.')
        const headings = `[...document.querySelectorAll('[role=log] h2')].map(({ textContent }) => textContent)`
        await window.until(`${headings}.includes('Approved')`, 'the change is approved', 60_000)
        const captions = `[...document.querySelectorAll('table caption')].map(({ textContent }) => textContent)`
        await window.until(`${captions}.some((text) => text.startsWith('Changes in '))`, 'the diff is there')
        expect({
          diff: (await window.evaluate<string[]>(captions)).toSorted(),
          background: await window.evaluate<string>('getComputedStyle(document.body).backgroundColor'),
          problems: window.problems,
        }).toEqual({
          diff: ['Changes in src/split-bill.js', 'Changes in test/split-bill.test.js'],
          background: 'rgb(19, 20, 22)',
          problems: [],
        })
      } finally {
        await window.close()
      }
    })
  })
}
