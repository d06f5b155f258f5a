/** What becomes of a task when its model fails: the real activities, tried again as Temporal would, without its waits. */

import { ApplicationFailure } from '@temporalio/common'
import { MockActivityEnvironment } from '@temporalio/testing'
import { DefaultLogger } from '@temporalio/worker'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ActivityDeps } from '../../../src/activities/deps.ts'
import { createFinishActivities } from '../../../src/activities/finish.ts'
import { createPrepareActivities } from '../../../src/activities/prepare.ts'
import { createTurnActivities } from '../../../src/activities/turns.ts'
import { readEvents } from '../../../src/db/stream/events.ts'
import { getTask } from '../../../src/db/task/tasks.ts'
import { createAnthropicModel } from '../../../src/model/anthropic.ts'
import { createGatedModel } from '../../../src/model/gated-model.ts'
import type { Workspaces } from '../../../src/sandbox/workspaces.ts'
import type { Fault, FaultKind } from '../../../src/standin/faults.ts'
import type { FinishInput, TurnsInput, TurnsResult } from '../../../src/workflows/activities.ts'
import { type AgentHost, type AgentTask, anAgentHost, anAgentTask } from '../../support/agent-lane.ts'
import { framesOf } from '../../support/tasks.ts'
import { waitFor } from '../../support/wait-for.ts'

const QUIET = new DefaultLogger('ERROR', () => undefined)
const STALL_MS = 1_500
const MAX_ATTEMPTS = 6

let host: AgentHost
let activities: ReturnType<typeof activitiesOf>
beforeAll(async () => {
  host = await anAgentHost()
  activities = activitiesOf(host)
})
afterEach(() => host.reset())
afterAll(() => host.close())

function activitiesOf({ server, provider, deps }: AgentHost, compat = false) {
  const own = { apiKey: 'k', baseUrl: server.url, kind: 'scripted', compat } as const
  const model = createAnthropicModel({ ...own, stallTimeoutMs: STALL_MS })
  const all: ActivityDeps = {
    ...deps,
    model: createGatedModel(model),
    workspaces: {
      open: async (projectId) => await provider.open(await provider.ensure({ projectId, generation: 1 })),
      openExisting: async (projectId) => await provider.open(await provider.ensure({ projectId, generation: 1 })),
      destroy: (ref) => provider.destroy(ref),
    } satisfies Workspaces,
    sliceMs: () => 10_000,
    cancelTime: () => Promise.resolve(null),
    sweepOutbox: () => undefined,
  }
  return { ...createPrepareActivities(all), ...createTurnActivities(all), ...createFinishActivities(all) }
}

/** Runs a task to its end and says how it went. */
async function play(task: AgentTask, by = activities) {
  const ref = { taskId: task.taskId, projectId: task.projectId }
  const at = (attempt: number) => new MockActivityEnvironment({ attempt }, { logger: QUIET })
  await at(1).run(by.prepareSandbox, ref)
  const finish = async (ending: { kind: 'completed' | 'failed' } & Partial<FinishInput>): Promise<void> => {
    await at(1).run(by.finishTask, { ...ref, ...ending } as FinishInput)
  }
  const turns: TurnsInput = { ...ref, phase: 'working' }
  const retried: string[] = []
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    try {
      const { status } = (await at(attempt).run(by.runTurns, turns)) as TurnsResult
      const { review } = await getTask(host.db, task.taskId)
      const outcome = status === 'idle' ? 'no_changes' : status === 'refused' ? 'refused' : 'inconclusive'
      await finish({ kind: 'completed', outcome, review })
      break
    } catch (error) {
      if (!(error instanceof ApplicationFailure)) throw error
      if (!error.nonRetryable) {
        retried.push(error.type ?? '')
        continue
      }
      const reason = { code: error.type ?? '', message: error.message }
      await finish({ kind: 'failed', reason })
      break
    }
  }
  const ended = await getTask(host.db, task.taskId)
  const frames = framesOf(await readEvents(host.db, { projectId: task.projectId, after: 0, limit: 500 }))
  return {
    ends: ended.outcome ?? ended.reason?.code,
    retried,
    faults: task.asked().flatMap((entry) => (entry.fault === null ? [] : [entry.fault])),
    ran: await task.contentOf('log').catch(() => ''),
    finals: frames.filter((frame) => frame['complete'] === true).length,
    waits: frames.flatMap((frame) => (frame.type === 'model.retrying' ? [frame['code']] : [])),
    isPaid: ended.costUsd !== null && ended.costUsd > 0,
  }
}

const SCRIPT = {
  turns: [
    {
      text: 'I will run it now and then see what it says.',
      tools: [{ name: 'bash', input: { command: 'echo ran >> log' } }],
    },
    { text: 'Done.' },
  ],
}

interface Row {
  /** What the command left; once what goes on, nothing what ended. */
  readonly ran?: string
  readonly fault: Omit<Fault, 'kind'> & { readonly kind: FaultKind }
  readonly ends: string
  /** What the attempt before said; empty when the call was repeated inside it, or never. */
  readonly retried?: readonly string[]
}

const GOES_ON = 'no_changes'
const rows: readonly Row[] = [
  { fault: { kind: 'rate_limited' }, ends: GOES_ON, retried: ['model_rate_limited'] },
  { fault: { kind: 'spend_limit' }, ends: 'model_spend_limit' },
  { fault: { kind: 'overloaded' }, ends: GOES_ON, retried: ['model_overloaded'] },
  { fault: { kind: 'internal' }, ends: GOES_ON, retried: ['model_overloaded'] },
  { fault: { kind: 'unavailable' }, ends: GOES_ON, retried: ['model_overloaded'] },
  { fault: { kind: 'timeout' }, ends: GOES_ON, retried: ['model_unreachable'] },
  { fault: { kind: 'unauthorized' }, ends: 'model_auth_failed' },
  { fault: { kind: 'forbidden' }, ends: 'model_auth_failed' },
  { fault: { kind: 'billing' }, ends: 'model_spend_limit' },
  { fault: { kind: 'not_found' }, ends: 'model_not_found' },
  { fault: { kind: 'bad_request' }, ends: 'model_rejected' },
  { fault: { kind: 'reset_before_headers' }, ends: GOES_ON, retried: ['model_unreachable'] },
  { fault: { kind: 'empty_body' }, ends: GOES_ON, retried: ['model_stream_broken'] },
  { fault: { kind: 'hang' }, ends: GOES_ON, retried: ['model_stalled'] },
  { fault: { kind: 'stall' }, ends: GOES_ON, retried: ['model_stalled'] },
  { fault: { kind: 'cut', afterFrames: 3 }, ends: GOES_ON, retried: ['model_stream_broken'] },
  { fault: { kind: 'cut', afterFrames: 7 }, ends: GOES_ON, retried: ['model_stream_broken'] },
  { fault: { kind: 'reset' }, ends: GOES_ON, retried: ['model_stream_broken'] },
  { fault: { kind: 'garbage' }, ends: GOES_ON, retried: ['model_stream_broken'] },
  { fault: { kind: 'error_event' }, ends: GOES_ON, retried: ['model_overloaded'] },
  { fault: { kind: 'no_message_stop' }, ends: GOES_ON, retried: ['model_stream_broken'] },
  // Told to the model, which goes on with the script's next turn.
  { fault: { kind: 'bad_tool_json' }, ends: GOES_ON, ran: '' },
  { fault: { kind: 'half_tool' }, ends: GOES_ON },
  { fault: { kind: 'half_tool', times: 3 }, ends: 'model_output_exceeded' },
  // Its text is kept and the model is asked to go on, which the script does with its next turn.
  { fault: { kind: 'half_text' }, ends: GOES_ON, ran: '' },
  { fault: { kind: 'empty_reply' }, ends: GOES_ON },
  { fault: { kind: 'refusal' }, ends: 'refused' },
]

test.each(rows)(
  '$fault.kind: the task ends $ends, having run what it was told to at most once',
  async ({ fault, ends, retried = [], ran }) => {
    const task = await anAgentTask(host, SCRIPT)
    host.server.arm({ ...fault, match: { taskId: task.taskId, ...(fault.kind === 'empty_reply' ? { turn: 2 } : {}) } })
    const seen = await play(task)
    const isFinal = ends !== GOES_ON
    // The repeat is made at once here: the gate holds it back for what is left of Retry-After, and says so once more.
    const waits = fault.kind === 'rate_limited' ? [...new Set(seen.waits)] : seen.waits
    expect({ ...seen, waits }).toEqual({
      ends,
      retried,
      faults: Array(fault.times ?? 1).fill(fault.kind),
      ran: ran ?? (isFinal ? '' : 'ran\n'),
      finals: 1,
      waits: retried,
      isPaid: isFinal ? expect.any(Boolean) : true,
    })
  },
)

describe('a reply that broke off', () => {
  /** The task's cost as its row has it, and as its stored replies add up. */
  async function costsOf({ taskId }: AgentTask) {
    const { rows } = await host.db.pool.query<{ total: number; estimated: number; stored: number }>(
      `SELECT cost_usd AS total, estimated_usd AS estimated,
         (SELECT coalesce(sum(cost_usd), 0) FROM turns WHERE task_id = $1) AS stored FROM tasks WHERE id = $1`,
      [taskId],
    )
    const { total = 0, estimated = 0, stored = 0 } = rows[0] ?? {}
    return { estimated, rest: total - estimated - stored }
  }

  test('is counted once, as an estimate, beside the reply that came at the second try', async () => {
    const task = await anAgentTask(host, SCRIPT)
    host.server.arm({ kind: 'cut', afterFrames: 7, match: { taskId: task.taskId } })
    await play(task)
    const { estimated, rest } = await costsOf(task)
    expect([estimated > 0, Math.abs(rest) < 1e-9]).toEqual([true, true])
  })

  test('because the task was cancelled is counted too', async () => {
    const task = await anAgentTask(host, { turns: [{ text: 'word '.repeat(400) }] })
    host.server.setPace({ tokensPerSecond: 200 })
    const abort = new AbortController()
    const running = task.run({ signal: abort.signal }).catch((error: unknown) => error)
    await waitFor(() => host.deltas.length > 3, 'text streams')
    abort.abort(new Error('CANCELLED'))
    await running
    const { estimated, rest } = await costsOf(task)
    expect([estimated > 0, Math.abs(rest) < 1e-9]).toEqual([true, true])
  })
})

test('a server of one’s own that answers 500 in the same way six times in a row is not asked again', async () => {
  const task = await anAgentTask(host, SCRIPT)
  host.server.arm({ kind: 'internal', times: 20, match: { taskId: task.taskId } })
  const { ends, retried, faults } = await play(task, activitiesOf(host, true))
  expect({ ends, retried, faults: faults.length }).toEqual({
    ends: 'model_rejected',
    retried: Array(5).fill('model_overloaded'),
    faults: 6,
  })
}, 60_000)
