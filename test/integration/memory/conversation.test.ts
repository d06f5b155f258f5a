import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { replaceFacts, taskMemory, taskSummaries } from '../../../src/db/turn/memory.ts'
import { writeSummaries } from '../../../src/memory/pin-memory.ts'
import { type AgentHost, type AgentTask, anAgentHost, anAgentTask } from '../../support/agent-lane.ts'
import { post } from '../../support/tasks.ts'

const WINDOW = 24_000
const MARK = 16_000

let host: AgentHost
beforeAll(async () => {
  const profile = { contextTokens: WINDOW, compactAtTokens: MARK, minCacheableTokens: 1 }
  host = await anAgentHost({ profile, contextTokens: WINDOW, keepBodies: 400 })
})
afterAll(() => host.close())
beforeEach(() => host.reset())

interface Body {
  readonly system: readonly { readonly text: string }[]
  readonly messages: readonly { readonly content: readonly { readonly text?: string }[] }[]
  readonly metadata?: { readonly user_id?: string }
}

function bodiesOf(task: AgentTask): Body[] {
  return (host.server.bodies() as Body[]).filter((body) => body.metadata?.user_id === task.taskId)
}

const systemOf = (body: Body | undefined): string => (body?.system ?? []).map((block) => block.text).join('\n')
const wordsOf = (body: Body | undefined): string[] =>
  (body?.messages ?? []).flatMap((message) => message.content.flatMap((block) => block.text ?? []))
const promptOf = (body: Body | undefined): string => wordsOf(body).join('\n')
const startsWith = (body: Body | undefined, before: Body | undefined): boolean => {
  const [now, then] = [wordsOf(body), wordsOf(before)]
  return then.every((text, index) => now[index] === text)
}
const messagesOf = (body: Body | undefined): string => JSON.stringify(body?.messages ?? [])

const NOTES = 'A line of notes about the parts.\n'.repeat(30)

/** A task of four turns: three calls and an answer. */
function chore(number: number): string {
  const input = { file_path: `notes-${number}-{{n}}.txt`, content: NOTES }
  const turns = [{ text: 'On it.', tools: [{ name: 'write', input }], repeat: 3 }, { text: `Chore ${number} is done.` }]
  return `Do chore ${number}.\nscript: ${JSON.stringify({ turns })}`
}

async function runChore(number: number, projectId: string | undefined, words = ''): Promise<AgentTask> {
  const task = await anAgentTask(host, `${words}${chore(number)}`, projectId === undefined ? {} : { projectId })
  expect(await task.run()).toBe('idle')
  await task.end()
  return task
}

describe('a conversation of 50 tasks and 200 turns', () => {
  test('is never refused, tells the newest tasks whole, those before as summaries, and remembers what it was asked to', async () => {
    const tasks: AgentTask[] = []
    for (let number = 1; number <= 50; number++) {
      const words = number === 1 ? 'Remember: the shop closes at six\n' : ''
      tasks.push(await runChore(number, tasks[0]?.projectId, words))
    }
    const ids = new Set(tasks.map((task) => task.taskId))
    const asked = host.server.journal().filter((entry) => ids.has(entry.taskId ?? ''))
    expect([asked.length, asked.filter((entry) => entry.status !== 200)]).toEqual([200, []])

    const bodies = tasks.map((task) => bodiesOf(task)[0])
    const [first, last] = [bodies[0], bodies.at(-1)]
    expect(wordsOf(first)[0]).toContain('# What the user asked to remember\n\n- the shop closes at six\n')
    expect(bodies.filter((body) => !promptOf(body).includes('- the shop closes at six\n'))).toEqual([])
    expect(promptOf(last)).toMatch(/- \d+ older tasks\n- Task \d+: Do chore \d+\.[^\n]+ \(completed, no changes\)\n/)
    expect(promptOf(last)).toMatch(/\n## Task \d+\nRequest: Do chore \d+\./)
    const told = messagesOf(last)
    expect([told.includes('Chore 49 is done.'), wordsOf(last).some((text) => text.startsWith('Do chore 30.'))]).toEqual(
      [true, false],
    )
    // The static prefix is the same for all; what is new stands in the first message of a task, which stays as it was.
    expect(new Set(tasks.flatMap(bodiesOf).map(systemOf)).size).toBe(1)
    // Where the boundary stays the next task begins with all that the one before was told.
    const grown = bodies.filter((body, at) => at > 0 && startsWith(body, bodies[at - 1]))
    expect(grown.length).toBeGreaterThan(25)
  }, 120_000)
})

describe('what a task is told', () => {
  test('stays as it was at its first turn, also for a retry after facts and summaries changed', async () => {
    const before = await runChore(1, undefined, 'remember: tabs, not spaces\n')
    const task = await anAgentTask(host, chore(2), { projectId: before.projectId })
    expect(await task.run({ isTimeUp: () => true })).toBe('continue')
    const pinned = await taskMemory(host.db, task.taskId)
    await replaceFacts(host.db, task.projectId, { version: 1, facts: [{ text: 'spaces, not tabs' }] })
    expect(await task.run()).toBe('idle')
    const [first, second] = bodiesOf(task)
    expect(await taskMemory(host.db, task.taskId)).toEqual(pinned)
    expect([systemOf(second), startsWith(second, first)]).toEqual([systemOf(first), true])
    expect(messagesOf(second)).toContain('Notice: the user edited what is to be remembered.')
    expect(messagesOf(second)).toContain('- spaces, not tabs')
    await task.end()
    const next = await runChore(3, task.projectId)
    const facts = wordsOf(bodiesOf(next)[0]).filter((text) => text.includes('# What the user asked to remember'))
    expect(facts.map((text) => [text.includes('- tabs, not spaces\n'), text.includes('- spaces, not tabs\n')])).toEqual(
      [
        [true, false],
        [false, true],
      ],
    )
  })

  test('of a fact that came with a message of another conversation arrives as a notice, once', async () => {
    const task = await anAgentTask(host, chore(1))
    expect(await task.run({ isTimeUp: () => true })).toBe('continue')
    await post(host.db, { projectId: task.projectId, newConversation: true, text: 'remember: call it a cart' })
    expect(await task.run()).toBe('idle')
    const notices = bodiesOf(task).map((body) => messagesOf(body).split('- call it a cart').length - 1)
    expect(notices).toEqual([0, 1, 1, 1])
  })
})

describe('the summary of a task', () => {
  test('says what was asked, what came of it and which files changed; writing it twice changes nothing', async () => {
    const task = await runChore(7, undefined)
    await host.db.pool.query(`UPDATE tasks SET files_changed = 3, lines_added = 90 WHERE id = $1`, [task.taskId])
    await writeSummaries(host.db, [task.taskId])
    const [summary] = await taskSummaries(host.db, [task.taskId])
    await host.db.pool.query(`UPDATE tasks SET outcome = 'stuck' WHERE id = $1`, [task.taskId])
    await writeSummaries(host.db, [task.taskId])
    expect(await taskSummaries(host.db, [task.taskId])).toEqual([summary])
    expect(summary?.name).toMatch(/^Do chore 7\. script: .*… \(completed, no changes\)$/)
    const lines = (summary?.text ?? '').split('\n')
    expect(lines[0]).toMatch(/^Request: Do chore 7\. script: /)
    expect(lines.slice(1)).toEqual([
      'Outcome: completed, no changes',
      'Files: 3 changed, +90 −0: notes-7-1.txt (create, +30 −0), notes-7-2.txt (create, +30 −0), notes-7-3.txt (create, +30 −0)',
      'The agent’s last words: Chore 7 is done.',
    ])
  })

  test('tells nothing of a message that the model refused, so that no later task is refused for it', async () => {
    const turns = [
      { text: 'Looking.', tools: [{ name: 'bash', input: { command: 'true' } }] },
      { stopReason: 'refusal' },
    ]
    const task = await anAgentTask(host, `A fine request.\nscript: ${JSON.stringify({ turns })}`)
    expect(await task.run({ isTimeUp: () => true })).toBe('continue')
    await post(host.db, { projectId: task.projectId, conversationId: task.conversationId, text: 'Something foul' })
    expect(await task.run()).toBe('refused')
    await task.end()
    await writeSummaries(host.db, [task.taskId])
    const lines = (await taskSummaries(host.db, [task.taskId]))[0]?.text.split('\n') ?? []
    expect([lines[0]?.slice(0, 24), lines[1], lines.join().includes('foul')]).toEqual([
      'Request: A fine request.',
      'Decisions of the user while it ran: “(a message that the model refused is left out here)”',
      false,
    ])
  })
})
