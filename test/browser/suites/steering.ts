import { describe, expect, test } from 'vitest'
import { screenshot, screenshotLooks } from '../../support/browser.ts'
import { HELD, letGo } from '../../support/held-command.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import { waitFor } from '../../support/wait-for.ts'
import { aPlace, composer, ending, openAt, say, thread, type Workbench } from '../pages.ts'

/** Working with a task that runs: stop it, speak to it, give it more. */
export function steeringSuite(bench: Workbench): void {
  describe.concurrent('steering', () => {
    test('Stop ends the task and its processes, and says how many', async () => {
      const { path } = await aPlace(bench)
      const { page, watch, context } = await openAt(bench, path)
      await say(page, scriptOf([running('echo begun; sleep 300')]))
      await thread(page)
        .getByRole('button', { name: /sleep 300/ })
        .waitFor()
      await page.getByRole('button', { name: 'Stop', exact: true }).click()
      await ending(page, /^Stopped: 1 process ended$/)
      await say(page, scriptOf([{ text: 'Here again.' }]))
      await thread(page).getByText('Here again.').waitFor()
      expect(watch.problems).toEqual([])
      await context.close()
    })

    test('Escape asks before it stops', async () => {
      const { path } = await aPlace(bench)
      const { page, context } = await openAt(bench, path)
      await say(page, scriptOf([running('sleep 300')]))
      await thread(page)
        .getByRole('button', { name: /sleep 300/ })
        .waitFor()
      await composer(page).press('Escape')
      await page.getByText('Esc again stops the task').waitFor()
      await composer(page).press('Escape')
      await ending(page, /^Stopped:/)
      await context.close()
    })

    test('a message steers the running task, another waits until it is done', async () => {
      const { projectId, path } = await aPlace(bench)
      const { page, watch, context } = await openAt(bench, path)
      await say(page, scriptOf([running(HELD), running('echo second'), { text: 'All done.' }]))
      await thread(page).getByRole('button', { name: /rm go/ }).waitFor()
      await say(page, 'Mind the umlauts.')
      await page.getByRole('combobox', { name: 'When the agent reads it' }).selectOption('queue')
      await say(page, scriptOf([{ text: 'And this one last.' }]))
      await thread(page).getByText('And this one last.').last().waitFor()
      letGo(bench.stack, projectId)
      await ending(page, /^Done, no files changed$/)
      expect({ steered: await thread(page).getByText('Mind the umlauts.').count(), problems: watch.problems }).toEqual({
        steered: 1,
        problems: [],
      })
      await context.close()
    })

    test('a queued message can be taken back: its text returns to the composer and the agent never reads it', async () => {
      const { conversationId, path } = await aPlace(bench)
      const { page, watch, context } = await openAt(bench, path)
      const other = await openAt(bench, path)
      await say(page, scriptOf([running('sleep 300'), { text: 'All done.' }]))
      await thread(page)
        .getByRole('button', { name: /sleep 300/ })
        .waitFor()
      await page.getByRole('combobox', { name: 'When the agent reads it' }).selectOption('queue')
      await say(page, 'Never mind this one.')
      await page.getByRole('button', { name: 'Remove this queued message' }).click()
      await waitFor(async () => (await composer(page).inputValue()) === 'Never mind this one.', 'the text is back')
      for (const viewer of [page, other.page]) await thread(viewer).getByText('not read').waitFor()
      const focused = await page.locator(':focus').getAttribute('aria-label')
      await page.getByRole('button', { name: 'Stop', exact: true }).click()
      await ending(page, /^Stopped:/)
      const messages = await bench.stack.api.messages(conversationId)
      expect({
        focused,
        removed: messages.find(({ text }) => text === 'Never mind this one.')?.status,
        tasks: new Set(messages.map(({ taskId }) => taskId)).size,
        problems: watch.problems,
      }).toEqual({ focused: 'Message to the agent', removed: 'cancelled', tasks: 1, problems: [] })
      await Promise.all([context.close(), other.context.close()])
    })

    test('a task that reached its budget waits, and goes on when it is raised', async () => {
      const { projectId, conversationId, path } = await aPlace(bench)
      const { page, watch, context } = await openAt(bench, path)
      const message = scriptOf([{ repeat: 3, ...running('echo {{turn}} >> log.txt') }, { text: 'Three lines.' }])
      const { taskId } = await bench.stack.api.chat(projectId, { conversationId, message, budget: { maxTurns: 2 } })
      await page.getByText('The budget is reached.').waitFor()
      await screenshot(page, 'budget-1440-light')
      await page.getByRole('button', { name: 'Raise to 4 turns and go on' }).click()
      await page.getByText('The budget is reached.').waitFor({ state: 'detached' })
      // The reviewer's turns count too.
      await bench.stack.api.call('POST', `/api/tasks/${taskId}/budget`, { maxTurns: 50 })
      await ending(page, /^Approved/)
      expect(watch.problems).toEqual([])
      await context.close()
    })

    // Its question would stand in the inbox of the others.
    test.sequential('a question stands as a card, in the inbox and in the title; a key answers it, and the plan is seen meanwhile', async () => {
      const { path } = await aPlace(bench)
      const { page, watch, context } = await openAt(bench, path)
      const items = [
        { text: 'Choose a colour', state: 'in_progress' },
        { text: 'Paint', state: 'pending' },
      ]
      const question = { question: 'Which colour?', options: ['red', 'blue'], default: 'red' }
      const tools = [
        { name: 'plan', input: { items } },
        { name: 'ask', input: question },
      ]
      await say(page, scriptOf([{ tools }, { text: 'Painted.' }]))
      const card = thread(page).getByRole('region', { name: 'Which colour?' })
      await card.getByText('Then this holds: red').waitFor()
      await page.getByText('Plan: Choose a colour').waitFor()
      await waitFor(async () => (await page.title()).startsWith('? Needs an answer'), 'the title says so')
      await screenshotLooks(page, 'question')
      await page.getByRole('button', { name: /waits? for you/ }).click()
      await page.getByRole('dialog').getByRole('region', { name: 'Which colour?' }).waitFor()
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      // A dialog gives the focus back a moment after it is gone.
      await waitFor(
        async () => (await page.locator(':focus').getAttribute('aria-label'))?.endsWith('for you') === true,
        'the focus is back',
      )
      await card.getByRole('button', { name: 'red' }).focus()
      await page.keyboard.press('2')
      await thread(page).getByText('Which colour?: blue').waitFor()
      await ending(page, /^Done, no files changed$/)
      expect(watch.problems).toEqual([])
      await context.close()
    })

    test('what is typed stays with its conversation over a reload', async () => {
      const { path } = await aPlace(bench)
      const { page, context } = await openAt(bench, path)
      await composer(page).fill('half a thought')
      await page.reload()
      await waitFor(async () => (await composer(page).inputValue()) === 'half a thought', 'the draft is back')
      await context.close()
    })
  })
}
