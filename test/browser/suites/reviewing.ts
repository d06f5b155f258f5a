import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { screenshot } from '../../support/browser.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import { waitFor } from '../../support/wait-for.ts'
import { aPlace, composer, ending, openAt, say, tab, thread, type Workbench } from '../pages.ts'

const LINES = Array.from({ length: 80 }, (_, index) => `line ${index + 1}`).join('\n')
const NOTE = { severity: 'note', file: 'long.txt', line: 40, claim: 'Only `changed 40` is new.', evidence: 'Read it.' }
const EDITS = scriptOf(
  [
    { text: 'I mend the middle first.', ...running("sed -i 's/^line 40$/changed 40/' long.txt") },
    { text: 'Now a new file.', ...running('echo new > other.txt') },
    { text: 'Done.' },
  ],
  [{ verdict: 'ISSUES_FOUND', findings: [NOTE, { ...NOTE, file: 'other.txt', line: 1, claim: 'It says little.' }] }],
)

const file = (page: Page, name: string) => page.getByRole('region', { name, exact: true })

/** Waits until what holds these words has the focus. */
async function focusOn(page: Page, words: string): Promise<void> {
  const isThere = async () => (await page.locator(':focus').textContent())?.includes(words) === true
  await waitFor(isThere, `the focus is on “${words}”`)
}

/** Looking through a change: what lies around it, why it is there, by keys, and a word on one of its lines. */
export function reviewingSuite(bench: Workbench): void {
  describe.concurrent('reviewing a change', () => {
    test('unchanged lines open, the turns say why, keys lead through it, and a comment on a line begins a task', async () => {
      const { conversationId, path } = await aPlace(bench, { kind: 'files', files: { 'long.txt': `${LINES}\n` } })
      const { page, watch, context } = await openAt(bench, path)
      await say(page, EDITS)
      await ending(page, /^Approved/)
      const long = file(page, 'long.txt')
      await long.getByText('changed 40').first().waitFor()
      const around = {
        before: await long.getByText('line 35', { exact: true }).count(),
        upper: await long.getByRole('button', { name: '36 lines unchanged' }).count(),
      }
      await long.getByRole('button', { name: 'Show 20 lines further up' }).first().click()
      await long.getByText('line 17', { exact: true }).waitFor()
      await long.getByRole('button', { name: 'Show 16 lines' }).click()
      await long.getByText('line 1', { exact: true }).waitFor()
      await long.getByRole('button', { name: 'Show 20 lines further down' }).click()
      await long.getByText('line 63', { exact: true }).waitFor()
      await long.getByRole('button', { name: 'Why it changed' }).click()
      await long.getByRole('list', { name: 'Why long.txt changed' }).getByText('I mend the middle first.').waitFor()
      await screenshot(page, 'reviewing-1440-light')

      const review = thread(page).getByRole('region', { name: 'Review 1' })
      await review.getByRole('button', { name: 'What the reviewer said and read' }).click()
      await review.getByText('Submit', { exact: false }).first().waitFor()
      await screenshot(page, 'reviewer-words-1440-light')

      await thread(page).focus()
      await page.keyboard.press('n')
      await focusOn(page, 'Only changed 40 is new.')
      await page.keyboard.press('n')
      await focusOn(page, 'It says little.')
      await thread(page).focus()
      await page.keyboard.press('j')
      await focusOn(page, 'long.txt')
      await page.keyboard.press('v')
      await long.getByRole('checkbox', { name: 'viewed', checked: true }).waitFor()
      await focusOn(page, 'other.txt')
      await page.keyboard.press('?')
      await page.getByRole('dialog').getByText('Next finding, the one before').waitFor()
      await screenshot(page, 'shortcuts-1440-light')
      await page.keyboard.press('Escape')
      await focusOn(page, 'other.txt')
      await page.keyboard.press('c')
      const form = page.getByRole('form', { name: 'Comment on line 1 of other.txt' })
      await form.getByRole('textbox').fill('Say more here.')
      await screenshot(page, 'comment-1440-light')
      await page.keyboard.press('Control+Enter')
      await thread(page).getByText('Say more here.').waitFor()
      await form.waitFor({ state: 'detached' })
      await waitFor(async () => (await bench.stack.api.messages(conversationId)).length >= 4, 'the second task answers')
      const asked = (await bench.stack.api.messages(conversationId)).filter(({ role }) => role === 'user')
      expect({
        around,
        asked: asked.at(-1)?.text,
        tasks: new Set(asked.map(({ taskId }) => taskId)).size,
        problems: watch.problems,
      }).toEqual({
        around: { before: 0, upper: 1 },
        asked: 'About other.txt, line 1, which the change added or rewrote:\n\n> new\n\nSay more here.',
        tasks: 2,
        problems: [],
      })
      await context.close()
    })

    test('a comment steers the task that runs, and two checkpoints stand side by side', async () => {
      const { conversationId, path } = await aPlace(bench, { kind: 'files', files: { 'a.txt': 'one\ntwo\n' } })
      const { page, watch, context } = await openAt(bench, path)
      const steps = [running('echo first >> a.txt'), running('echo second >> a.txt'), running('sleep 300')]
      await say(page, scriptOf([...steps, { text: 'Slept.' }]))
      const changed = file(page, 'a.txt')
      await changed.getByRole('button', { name: 'Comment on added line 4' }).click()
      await page.getByRole('form').getByRole('textbox').fill('Not this one.')
      await page.getByRole('button', { name: 'Tell the agent now' }).click()
      await thread(page).getByText('Not this one.').waitFor()
      await tab(page, 'Checkpoints').click()
      const entries = page.getByRole('list', { name: 'Checkpoints, newest first' }).getByRole('listitem')
      await waitFor(async () => (await entries.count()) >= 3, 'one checkpoint before the task and one a turn')
      await entries.nth(0).getByRole('button', { name: 'Compare with another checkpoint' }).click()
      await entries.nth(1).getByRole('button', { name: 'Compare the two side by side' }).click()
      await page.getByRole('button', { name: 'Show under each other' }).waitFor()
      await changed.getByText('second', { exact: true }).waitFor()
      await screenshot(page, 'compare-1440-light')
      const isOldAdded = await changed.getByRole('button', { name: 'Comment on added line 3' }).count()
      const address = new URL(page.url()).searchParams
      await page.getByRole('button', { name: 'Stop', exact: true }).click()
      await ending(page, /^Stopped:/)
      const asked = (await bench.stack.api.messages(conversationId)).filter(({ role }) => role === 'user')
      expect({
        isOldAdded,
        ends: [address.has('checkpoint'), address.has('to')],
        asked: asked.at(-1)?.text.split('\n')[0],
        tasks: new Set(asked.map(({ taskId }) => taskId)).size,
        problems: watch.problems,
      }).toEqual({
        isOldAdded: 0,
        ends: [true, true],
        asked: 'About a.txt, line 4, which the change added or rewrote:',
        tasks: 1,
        problems: [],
      })
      expect(await composer(page).inputValue()).toBe('')
      await context.close()
    })
  })
}
