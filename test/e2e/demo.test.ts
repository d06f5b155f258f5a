import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { topicOf } from '../../src/events/topics.ts'
import type { ReviewState } from '../../src/shared/review.ts'
import { workflowIdFor } from '../../src/shared/task.ts'
import { CLIENT } from '../support/run-client.ts'
import { TestStack } from '../support/stack.ts'
import { streamFaults } from '../support/stream-faults.ts'
import { waitFor } from '../support/wait-for.ts'

const REQUEST = 'The tests fail. Find out why, mend it, and make sure that the tests pass.'

const stack = new TestStack({ deliveredModel: true })
beforeAll(() => stack.start())
afterAll(() => stack.stop())

/** The task's course as the topic `status` tells it. */
const COURSE = [
  'task.accepted',
  'task.started',
  'sandbox.starting',
  'sandbox.ready',
  'context.generated',
  ...Array<string[]>(5).fill(['turn.started', 'turn.finished']).flat(),
  'review.started',
  'review.check',
  ...Array<string[]>(2).fill(['turn.started', 'turn.finished']).flat(),
  'review.finding',
  'review.verdict',
  ...Array<string[]>(3).fill(['turn.started', 'turn.finished']).flat(),
  'review.started',
  'review.check',
  ...Array<string[]>(2).fill(['turn.started', 'turn.finished']).flat(),
  'review.verdict',
  'task.completed',
]

test('the sample task is approved after exactly one fix round, and every view of it says the same', async ({
  annotate,
}) => {
  const { api } = stack
  const projectId = await api.newProject({ kind: 'sample' })
  const stream = await api.chatStream(projectId, { message: REQUEST })
  const events = await stream.untilTerminal()
  await stream.ended
  await annotate(`task.accepted to task.completed: ${(events.at(-1)?.at ?? 0) - (events[0]?.at ?? 0)} ms`)

  const types = events.map((event) => event.type)
  expect(streamFaults(stream.frames)).toEqual([])
  expect(types.filter((type) => topicOf(type) === 'status')).toEqual(COURSE)
  expect(types).toEqual(
    expect.arrayContaining([
      'message.created',
      'message.claimed',
      'text.delta',
      'tool.input_delta',
      'tool.requested',
      'tool.started',
      'tool.finished',
      'message.completed',
      'command.started',
      'output',
      'command.finished',
      'file.changed',
      'diff.updated',
      'checkpoint.created',
    ]),
  )

  const taskId = stream.response.headers.get('x-keelson-task-id') ?? ''
  const end = events.at(-1)
  if (end?.type !== 'task.completed') throw new Error(`the last event is ${end?.type}`)
  const task = await api.task(taskId)
  expect(task).toMatchObject({
    status: 'completed',
    phase: 'done',
    outcome: 'approved',
    round: 2,
    review: end.review,
    usage: end.usage,
    costUsd: end.costUsd,
    diffStat: end.diffStat,
  })
  expect(end.review).toMatchObject({
    status: 'approved',
    round: 2,
    fixRounds: 1,
    verdict: 'approved',
    findings: { open: 0, resolved: 1 },
    history: [
      { round: 1, verdict: 'issues_found', checksFailed: 0, findingsOpen: 1, findingsResolved: 0 },
      { round: 2, verdict: 'approved', checksFailed: 0, findingsOpen: 0, findingsResolved: 1 },
    ],
  })

  const { rounds, ...review } = await api.get<ReviewState & { rounds: { round: number; verdict: string }[] }>(
    `/api/tasks/${taskId}/review`,
  )
  const handle = (await stack.temporal()).workflow.getHandle(workflowIdFor(taskId))
  const [row] = await stack.query<{ status: string; outcome: string; review: string }>(
    'SELECT status, outcome, review FROM tasks WHERE id = $1',
    [taskId],
  )
  expect({
    route: review,
    query: await handle.query<ReviewState>('reviewState'),
    database: JSON.parse(row?.review ?? 'null'),
    workflow: (await handle.describe()).status.name,
  }).toEqual({ route: end.review, query: end.review, database: end.review, workflow: 'COMPLETED' })
  const stored = await stack.query<{ round: number; verdict: string; tree_hash: string }>(
    'SELECT round, verdict, tree_hash FROM review_rounds WHERE task_id = $1 ORDER BY round',
    [taskId],
  )
  expect({
    rounds: rounds.map(({ round, verdict }) => ({ round, verdict })),
    stored: stored.map(({ round, verdict }) => ({ round, verdict })),
    judged: stored.at(-1)?.tree_hash,
    findings: await stack.query('SELECT round, severity, state, file FROM findings WHERE task_id = $1', [taskId]),
    row: { status: row?.status, outcome: row?.outcome },
  }).toEqual({
    rounds: [
      { round: 1, verdict: 'issues_found' },
      { round: 2, verdict: 'approved' },
    ],
    stored: [
      { round: 1, verdict: 'issues_found' },
      { round: 2, verdict: 'approved' },
    ],
    judged: end.review.treeHash,
    findings: [{ round: 1, severity: 'blocking', state: 'fixed', file: 'src/split-bill.js' }],
    row: { status: 'completed', outcome: 'approved' },
  })

  // A reader who comes late gets every durable event of the first reader, and the messages hold what was streamed.
  const late = await api.taskStream(taskId)
  await late.untilTerminal()
  await late.ended
  expect(late.events).toEqual(events.filter((event) => 'seq' in event))
  const final = events.at(-2)
  const messages = await api.messages(task.conversationId)
  expect(messages.at(-1)).toMatchObject({
    role: 'assistant',
    status: 'completed',
    text: final?.type === 'message.completed' && final.message,
  })
  const diff = await api.get<{ stat: object; files: { path: string }[]; patch: string }>(`/api/tasks/${taskId}/diff`)
  expect({ stat: diff.stat, files: diff.files.map((file) => file.path) }).toEqual({
    stat: end.diffStat,
    files: ['src/split-bill.js', 'test/split-bill.test.js'],
  })
})

test("the terminal's client cancels at Ctrl-C, shows the confirmation and ends with 130", async () => {
  const client = spawn(process.execPath, [CLIENT, '--sample', '--json', 'run sleep 98764'], {
    env: { PATH: process.env['PATH'], KEELSON_HOME: stack.home },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let out = ''
  client.stdout.setEncoding('utf8').on('data', (piece: string) => {
    out += piece
  })
  await waitFor(() => out.includes('"command.started"'), 'the command runs')
  client.kill('SIGINT')
  const [code] = (await once(client, 'close')) as [number]
  const last = JSON.parse(out.trim().split('\n').at(-1) ?? '') as object
  expect({ code, last }).toEqual({
    code: 130,
    last: expect.objectContaining({
      type: 'task.cancelled',
      killed: [expect.objectContaining({ command: 'sleep 98764' })],
    }),
  })
})

test("the terminal's client plays the sample task to its approval and ends with 0", async () => {
  const client = spawn(process.execPath, [CLIENT, '--sample', '--expect', 'approved', '--json', REQUEST], {
    env: { PATH: process.env['PATH'], KEELSON_HOME: stack.home },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [[code], out, notes] = await Promise.all([once(client, 'exit'), text(client.stdout), text(client.stderr)])
  const events = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; outcome?: string })
  expect({ code, last: events.at(-1), notes }).toEqual({
    code: 0,
    last: expect.objectContaining({ type: 'task.completed', outcome: 'approved' }),
    notes: expect.not.stringContaining('rror'),
  })
})
