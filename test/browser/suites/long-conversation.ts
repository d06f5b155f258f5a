import { describe, expect, test } from 'vitest'
import { waitFor } from '../../support/wait-for.ts'
import { aPlace, openAt, thread, type Workbench } from '../pages.ts'

const COUNT = 700

/** A conversation that is longer than one page of messages. */
export function longConversationSuite(bench: Workbench): void {
  describe('a long conversation', () => {
    test('stands at its end after one page of messages; earlier ones come in without moving what one reads', async () => {
      const { projectId, conversationId, path } = await aPlace(bench)
      await bench.stack.query(
        `INSERT INTO messages (id, project_id, conversation_id, role, text, status)
         SELECT $1 || n, $2, $1, 'note', 'Note ' || n || '.' || repeat(' More words.', (n % 7) * 20), 'completed'
         FROM generate_series(1, ${COUNT}) AS n ORDER BY n`,
        [conversationId, projectId],
      )
      const { page, watch, context } = await openAt(bench, '/')
      let release = (): void => {}
      const released = new Promise<void>((resolve) => {
        release = resolve
      })
      const asked: string[] = []
      await page.route(/\/messages\?.*after=/, async (route) => {
        asked.push(route.request().url())
        await released
        await route.continue()
      })
      await page.goto(path)
      const note = (n: number) => thread(page).getByText(new RegExp(`^Note ${n}\\.`))
      await note(COUNT).waitFor()
      // As rows do that are measured: the height changes, and the text moves by itself.
      await thread(page).evaluate((log) => {
        const rows = log.ownerDocument.createElement('div')
        rows.style.height = '500px'
        log.firstElementChild?.append(rows)
        log.scrollTop -= 300
      })
      const isAtEnd = () => thread(page).evaluate((log) => log.scrollHeight - log.scrollTop - log.clientHeight < 2)
      await waitFor(isAtEnd, 'who reads the end still stands there')
      await thread(page).evaluate((log) => log.firstElementChild?.lastElementChild?.remove())
      await thread(page).hover()
      const isRead = async () => {
        await page.mouse.wheel(0, -400)
        return (await note(COUNT - 25).count()) > 0
      }
      await waitFor(isRead, 'one reads further up')
      await waitFor(async () => {
        const before = await note(COUNT - 25).boundingBox()
        await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))')
        return before?.y === (await note(COUNT - 25).boundingBox())?.y
      }, 'the thread stands still')
      const heightOf = () => thread(page).evaluate((log) => log.scrollHeight)
      const [before, height] = [await note(COUNT - 25).boundingBox(), await heightOf()]
      release()
      await waitFor(async () => (await heightOf()) > height && asked.length >= 3, 'earlier messages are there')
      // The rows around it are laid out anew; in between it has no box.
      const after = await waitFor(() => note(COUNT - 25).boundingBox(), 'the note that one reads is there')
      expect(Math.abs(after.y - (before?.y ?? Number.NaN))).toBeLessThan(2)
      const isAtStart = async () => {
        await thread(page).evaluate((log) => {
          log.scrollTop = 0
        })
        return await note(1).isVisible()
      }
      await waitFor(isAtStart, 'the first message is in sight')
      expect(watch.problems).toEqual([])
      await context.close()
    })
  })
}
