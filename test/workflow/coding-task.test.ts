import { ActivityFailure, ApplicationFailure, TimeoutFailure, WorkflowFailedError } from '@temporalio/client'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type CodingTaskInput, NO_DIFF, NO_USAGE, type Phase } from '../../src/shared/task.ts'
import { cancelTask, regenerateProjectContext, reviewState, taskState, wake } from '../../src/workflows/messages.ts'
import {
  type ActivityName,
  aReview,
  type Behaviours,
  untilCancelled,
  untilCancelledThen,
} from '../support/fake-activities.ts'
import { largestPayload, summariesOf } from '../support/history-facts.ts'
import { waitFor } from '../support/wait-for.ts'
import { aWorkflowWorker, type TaskRun, type WorkflowWorker } from '../support/workflow-worker.ts'
import { judged, type ShapeName, shapeOf, turns } from './shapes.ts'

const MAX_PAYLOAD_BYTES = 4_096

let worker: WorkflowWorker
let checked = 0
beforeAll(async () => {
  worker = await aWorkflowWorker()
})
afterAll(() => worker.close())

afterEach(async () => {
  const sizes: Record<string, number> = {}
  for (const { handle } of worker.runs.slice(checked)) {
    checked++
    const size = largestPayload(await handle.fetchHistory())
    if (size > MAX_PAYLOAD_BYTES) sizes[handle.workflowId] = size
  }
  expect(sizes, 'payloads that are too large for a history').toEqual({})
})

/** Starts a task of a shape, does what the shape's person does, and waits for its end. */
async function play(name: ShapeName): Promise<TaskRun> {
  const shape = shapeOf(name)
  const run = await worker.start(shape.behaviours, shape.input)
  await shape.drive?.(run)
  await run.handle.result()
  return run
}

async function run(behaviours: Behaviours, input?: Partial<CodingTaskInput>): Promise<TaskRun> {
  const started = await worker.start(behaviours, input)
  await started.handle.result()
  return started
}

/** The calls in their order, equal neighbours counted. */
function steps({ fake }: TaskRun): string[] {
  const counted: { name: string; times: number }[] = []
  for (const name of fake.names()) {
    const last = counted.at(-1)
    if (last?.name === name) last.times++
    else counted.push({ name, times: 1 })
  }
  return counted.map(({ name, times }) => (times === 1 ? name : `${name} x${times}`))
}

function endings({ fake }: TaskRun): unknown[] {
  return fake.of('finishTask').map(({ input }) => {
    const { taskId: _, projectId: __, review: ___, ...ending } = input as Record<string, unknown>
    return ending
  })
}

const PREPARED = ['prepareTask']
const ROUND = ['captureChanges', 'runChecks', 'reviewChanges']

describe('a task goes through its phases', () => {
  test('approved at the first review', async () => {
    const played = await play('plain')
    expect(steps(played)).toEqual([...PREPARED, 'runTurns', ...ROUND, 'finishTask'])
    expect(endings(played)).toEqual([{ kind: 'completed', outcome: 'approved' }])
    const { taskId, projectId } = played.input
    expect(played.fake.of('runTurns')[0]?.input).toEqual({ taskId, projectId, phase: 'working', mayAsk: true })
    expect(played.fake.of('reviewChanges')[0]?.input).toEqual({
      ...{ taskId, projectId },
      ...{ round: 1, treeHash: 'tree_1', fixRounds: 0, maxFixRounds: 2 },
    })
  })

  test('approved after one fix round, which judges the new tree', async () => {
    const played = await play('one_fix_round')
    expect(steps(played)).toEqual([...PREPARED, 'runTurns', ...ROUND, 'runTurns', ...ROUND, 'finishTask'])
    expect(endings(played)).toEqual([{ kind: 'completed', outcome: 'approved' }])
    expect(played.fake.of('runTurns').map(({ input }) => (input as { phase: string }).phase)).toEqual([
      'working',
      'fixing',
    ])
    expect(played.fake.of('reviewChanges').map(({ input }) => input)).toMatchObject([
      { round: 1, fixRounds: 0, treeHash: 'tree_1' },
      { round: 2, fixRounds: 1, treeHash: 'tree_2' },
    ])
  })

  test('stops after two fix rounds and says what is left', async () => {
    const played = await play('two_fix_rounds')
    expect(steps(played)).toEqual([
      ...PREPARED,
      ...['runTurns', ...ROUND],
      ...['runTurns', ...ROUND],
      ...['runTurns', ...ROUND],
      'finishTask',
    ])
    expect(endings(played)).toEqual([{ kind: 'completed', outcome: 'issues_remaining' }])
  })

  test('failing checks go straight back to the coder and count as a fix round', async () => {
    const played = await play('checks_failing')
    expect(steps(played)).toEqual([
      ...PREPARED,
      ...['runTurns', 'captureChanges', 'runChecks'],
      ...['runTurns', ...ROUND],
      'finishTask',
    ])
    expect(played.fake.of('runChecks').map(({ input }) => input)).toMatchObject([
      { round: 1, fixRounds: 0 },
      { round: 2, fixRounds: 1 },
    ])
  })

  test('checks that fail in the last round end it without asking a reviewer', async () => {
    const played = await run(
      { runChecks: ({ round, treeHash }) => ({ failed: 1, review: judged(round, 'issues_remaining', { treeHash }) }) },
      { maxFixRounds: 0 },
    )
    expect(steps(played)).toEqual([...PREPARED, 'runTurns', 'captureChanges', 'runChecks', 'finishTask'])
    expect(endings(played)).toEqual([{ kind: 'completed', outcome: 'issues_remaining' }])
  })

  test('no changes: the review is skipped and says so', async () => {
    const played = await play('conversation_only')
    expect(steps(played)).toEqual([...PREPARED, 'runTurns', 'captureChanges', 'finishTask'])
    expect(endings(played)).toEqual([{ kind: 'completed', outcome: 'no_changes', skipped: 'no_changes' }])
  })

  test('review switched off: a change ends unreviewed', async () => {
    const played = await play('review_disabled')
    expect(steps(played)).toEqual([...PREPARED, 'runTurns', 'captureChanges', 'finishTask'])
    expect(endings(played)).toEqual([{ kind: 'completed', outcome: 'unreviewed', skipped: 'disabled' }])
  })

  test.each(['inconclusive', 'approved_with_notes'] as const)(
    'a review that is %s ends the task so',
    async (status) => {
      const verdict = status === 'inconclusive' ? 'inconclusive' : 'approved_with_notes'
      const played = await run({
        reviewChanges: ({ round, treeHash, fixRounds }) => ({
          ...{
            verdict,
            turn: fixRounds,
            usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 },
          },
          review: judged(round, status, { treeHash }),
        }),
      })
      expect(endings(played)).toEqual([{ kind: 'completed', outcome: status }])
    },
  )

  test.each(['stuck', 'refused'] as const)('an agent that is %s ends the task without a review', async (status) => {
    const played = await run({ runTurns: () => turns(status, 5) })
    expect(steps(played)).toEqual([...PREPARED, 'runTurns', 'finishTask'])
    expect(endings(played)).toEqual([{ kind: 'completed', outcome: status }])
  })

  test('an agent that gets stuck while it mends ends the task so', async () => {
    const shape = shapeOf('two_fix_rounds')
    const played = await run({ ...shape.behaviours, runTurns: (_, nth) => turns(nth === 1 ? 'idle' : 'stuck', nth) })
    expect(steps(played)).toEqual([...PREPARED, 'runTurns', ...ROUND, 'runTurns', 'finishTask'])
    expect(endings(played)).toEqual([{ kind: 'completed', outcome: 'stuck' }])
  })

  test('slices follow one another until the agent is idle', async () => {
    const played = await run({ runTurns: (_, nth) => turns(nth < 5 ? 'continue' : 'idle', nth * 2) })
    expect(steps(played)).toEqual([...PREPARED, 'runTurns x5', ...ROUND, 'finishTask'])
  })

  test('a person may ask for a new context from the start', async () => {
    const played = await run({}, { forceRegenerateContext: true })
    expect(played.fake.of('prepareTask').map(({ input }) => input)).toMatchObject([{ force: true }])
  })

  test('a set-up that is due comes between the sandbox and the context', async () => {
    const played = await run({ prepareTask: () => ({ isSetupDue: true }) }, { forceRegenerateContext: true })
    expect(steps(played)).toEqual([
      ...['prepareTask', 'setUpProject', 'prepareProjectContext', 'runTurns'],
      ...ROUND,
      'finishTask',
    ])
    expect(played.fake.of('prepareProjectContext').map(({ input }) => input)).toMatchObject([{ force: true }])
  })
})

describe('a task costs few activities', () => {
  /** What a worker of today answers. */
  const idle = (changed: boolean): Behaviours => ({
    runTurns: (_, nth) => ({
      ...turns('idle', nth),
      changes: { changed, treeHash: `tree_${nth}`, stat: { files: 1, added: 1, removed: 0 } },
    }),
  })

  test('three without changes', async () => {
    const played = await run(idle(false))
    expect(steps(played)).toEqual(['prepareTask', 'runTurns', 'finishTask'])
    expect(endings(played)).toEqual([{ kind: 'completed', outcome: 'no_changes', skipped: 'no_changes' }])
  })

  test('five with one review, which judges the tree that the last slice left', async () => {
    const played = await run(idle(true))
    expect(steps(played)).toEqual(['prepareTask', 'runTurns', 'runChecks', 'reviewChanges', 'finishTask'])
    expect(played.fake.of('reviewChanges')[0]?.input).toMatchObject({ round: 1, treeHash: 'tree_1' })
    expect(endings(played)).toEqual([{ kind: 'completed', outcome: 'approved' }])
  })

  test('three more for each fix', async () => {
    const played = await run({ ...shapeOf('one_fix_round').behaviours, ...idle(true) })
    expect(steps(played)).toEqual([
      ...['prepareTask', 'runTurns', 'runChecks', 'reviewChanges'],
      ...['runTurns', 'runChecks', 'reviewChanges', 'finishTask'],
    ])
  })

  test('a skip that is followed by more work says nothing of a skip at the end', async () => {
    const played = await run({
      ...idle(true),
      runTurns: (_, nth) => (nth === 1 ? turns('idle', 1) : turns('stuck', 2)),
      captureChanges: () => ({ changed: false, treeHash: 'tree_0', stat: { files: 0, added: 0, removed: 0 } }),
      finishTask: (_, nth) => nth > 1,
    })
    expect(endings(played)).toEqual([
      { kind: 'completed', outcome: 'no_changes', skipped: 'no_changes' },
      { kind: 'completed', outcome: 'stuck' },
    ])
  })
})

describe('a message while the task ends', () => {
  test('makes the same task go on; a tree that was judged is not judged again', async () => {
    const played = await play('message_while_finishing')
    expect(steps(played)).toEqual([
      ...PREPARED,
      ...['runTurns', ...ROUND, 'finishTask'],
      ...['runTurns', 'captureChanges', 'finishTask'],
    ])
    expect(endings(played)).toEqual([
      { kind: 'completed', outcome: 'approved' },
      { kind: 'completed', outcome: 'approved' },
    ])
  })

  test('that changes something is reviewed in a round of its own, with fix rounds of its own', async () => {
    const shape = shapeOf('two_fix_rounds')
    const played = await run({ ...shape.behaviours, finishTask: (_, nth) => nth > 1 }, { maxFixRounds: 1 })
    expect(played.fake.of('reviewChanges').map(({ input }) => input)).toMatchObject([
      { round: 1, fixRounds: 0 },
      { round: 2, fixRounds: 1 },
      { round: 3, fixRounds: 0 },
      { round: 4, fixRounds: 1 },
    ])
    expect(endings(played)).toHaveLength(2)
  })
})

describe('a budget that is reached', () => {
  test('and raised lets the task go on', async () => {
    const played = await play('budget_raised')
    expect(steps(played)).toEqual([...PREPARED, 'runTurns', 'awaitBudget', 'runTurns', ...ROUND, 'finishTask'])
    expect(endings(played)).toEqual([{ kind: 'completed', outcome: 'approved' }])
  })

  test('and not raised in time ends the task so', async () => {
    const played = await play('budget_timed_out')
    expect(steps(played)).toEqual([...PREPARED, 'runTurns', 'awaitBudget', 'finishTask'])
    expect(endings(played)).toEqual([{ kind: 'completed', outcome: 'budget_reached' }])
  })

  test.each<[string, ActivityName]>([
    ['the slice that reaches it still runs', 'runTurns'],
    ['the wait is being shown', 'awaitBudget'],
  ])('and raised while %s is not waited for', async (_, during) => {
    let isRaised = false
    const raised = async () => {
      await waitFor(() => isRaised, 'the budget was raised')
    }
    const started = await worker.start({
      async runTurns(_, nth) {
        if (nth === 1 && during === 'runTurns') await raised()
        return turns(nth === 1 ? 'needs_budget' : 'idle', nth)
      },
      async awaitBudget() {
        if (during === 'awaitBudget') await raised()
        return { isReached: true, waitMs: 3_600_000 }
      },
    })
    await started.fake.reached(during)
    await started.handle.signal(wake)
    isRaised = true
    await started.handle.result()
    expect(steps(started)).toEqual([...PREPARED, 'runTurns', 'awaitBudget', 'runTurns', ...ROUND, 'finishTask'])
  })

  test('that is no more when it would be waited for, or whose time is over, is not waited for', async () => {
    const answered = async (isReached: boolean) => {
      const behaviours = { awaitBudget: () => ({ isReached, waitMs: 0 }) }
      const nth = (n: number) => turns(n === 1 ? 'needs_budget' : 'idle', n)
      const started = await worker.start({ ...behaviours, runTurns: (_, n) => nth(n) })
      await started.handle.result()
      return steps(started).slice(PREPARED.length)
    }
    expect(await answered(false)).toEqual(['runTurns', 'awaitBudget', 'runTurns', ...ROUND, 'finishTask'])
    expect(await answered(true)).toEqual(['runTurns', 'awaitBudget', 'finishTask'])
  })

  test('by the reviewer lets the round go on when it is raised, and says what the next call needs', async () => {
    const need = { usd: 0.5, turns: 1 } as const
    const reviewed = shapeOf('plain').behaviours
    const started = await worker.start({
      ...reviewed,
      reviewChanges: ({ round, treeHash }, nth) => ({
        verdict: nth === 1 ? 'inconclusive' : 'approved',
        review: aReview({ status: nth === 1 ? 'reviewing' : 'approved', round, treeHash }),
        turn: nth,
        usage: NO_USAGE,
        ...(nth === 1 ? { need } : {}),
      }),
    })
    await started.fake.reached('awaitBudget')
    await started.handle.signal(wake)
    await started.handle.result()
    expect(steps(started).slice(-4)).toEqual(['reviewChanges', 'awaitBudget', 'reviewChanges', 'finishTask'])
    expect(started.fake.of('awaitBudget')[0]?.input).toMatchObject({ need, phase: 'reviewing', waitHours: 1 })
    expect(endings(started)).toEqual([{ kind: 'completed', outcome: 'approved' }])
  })

  test('waits on through a wake that did not raise it', async () => {
    const started = await worker.start({ runTurns: (_, nth) => turns(nth < 3 ? 'needs_budget' : 'idle', 1) })
    await started.fake.reached('awaitBudget', 1)
    await started.handle.signal(wake)
    await started.fake.reached('awaitBudget', 2)
    await started.handle.signal(wake)
    await started.handle.result()
    expect(started.fake.of('runTurns')).toHaveLength(3)
  })
})

describe('cancelling', () => {
  const PLACES: readonly [Phase, ActivityName, Behaviours][] = [
    ['preparing', 'prepareTask', { prepareTask: untilCancelled }],
    [
      'context',
      'prepareProjectContext',
      { prepareTask: () => ({ isSetupDue: true }), prepareProjectContext: untilCancelled },
    ],
    ['working', 'runTurns', { runTurns: untilCancelled }],
    ['working', 'captureChanges', { captureChanges: untilCancelled }],
    ['checking', 'runChecks', { runChecks: untilCancelled }],
    ['reviewing', 'reviewChanges', { reviewChanges: untilCancelled }],
    [
      'fixing',
      'runTurns',
      {
        ...shapeOf('two_fix_rounds').behaviours,
        runTurns: (_, nth) => (nth === 1 ? turns('idle', 1) : untilCancelled()),
      },
    ],
  ]

  test.each(PLACES.flatMap((place) => (['signal', 'native'] as const).map((way) => [...place, way] as const)))(
    'while %s in %s stops that activity and finishes once',
    async (phase, activity, behaviours, way) => {
      const started = await worker.start(behaviours)
      const call = await started.fake.reached(activity, phase === 'fixing' ? 2 : 1)
      expect((await started.handle.query(taskState)).phase).toBe(phase)
      if (way === 'signal') await started.handle.signal(cancelTask, { by: 'user', reason: 'enough' })
      else await started.handle.cancel()
      await started.handle.result()
      const said = way === 'signal' ? { by: 'user', reason: 'enough' } : {}
      expect([call.wasCancelled, endings(started)]).toEqual([true, [{ kind: 'cancelled', ...said }]])
      expect(started.fake.names().at(-1)).toBe('finishTask')
      expect((await started.handle.query(taskState)).phase).toBe('done')
    },
  )

  test.each(['signal', 'native'] as const)('by %s while it waits for a budget ends the wait', async (way) => {
    const started = await worker.start({ runTurns: () => turns('needs_budget', 1) })
    await waitFor(async () => {
      const history = await started.handle.fetchHistory()
      return history.events?.some((event) => event.timerStartedEventAttributes)
    }, 'the task waits')
    if (way === 'signal') await started.handle.signal(cancelTask, { by: 'user' })
    else await started.handle.cancel()
    await started.handle.result()
    expect(endings(started)).toMatchObject([{ kind: 'cancelled' }])
  })

  test('between two tries of an activity ends the wait for the next', async () => {
    const started = await worker.start({
      runTurns: () => {
        // Within the tests' time limit for a workflow: a later try would not be waited for at all.
        throw ApplicationFailure.create({ type: 'model_overloaded', message: 'Busy.', nextRetryDelay: '60s' })
      },
    })
    await started.fake.reached('runTurns')
    await started.handle.signal(cancelTask, { by: 'user' })
    await started.handle.result()
    expect([started.fake.of('runTurns').length, endings(started)]).toMatchObject([1, [{ kind: 'cancelled' }]])
  })

  test('twice is fine', async () => {
    const started = await worker.start({
      runTurns: untilCancelled,
      finishTask: () => waitFor(() => isAskedAgain, 'somebody asked again'),
    })
    let isAskedAgain = false
    await started.fake.reached('runTurns')
    await started.handle.signal(cancelTask, { by: 'user', reason: 'first' })
    const finishing = await started.fake.reached('finishTask')
    await started.handle.signal(cancelTask, { by: 'other', reason: 'second' })
    await started.handle.cancel()
    isAskedAgain = true
    await started.handle.result()
    expect([finishing.wasCancelled, endings(started)]).toEqual([
      false,
      [{ kind: 'cancelled', by: 'user', reason: 'first' }],
    ])
  })

  test('while the task completes does not undo that', async () => {
    let isAsked = false
    const started = await worker.start({ finishTask: () => waitFor(() => isAsked, 'somebody asked') })
    await started.fake.reached('finishTask')
    await started.handle.signal(cancelTask, { by: 'user' })
    isAsked = true
    await started.handle.result()
    expect(endings(started)).toEqual([{ kind: 'completed', outcome: 'approved' }])
  })

  test('in a slice that ends well all the same is not forgotten, nor when the history is long', async () => {
    for (const continueAsNewAfterEvents of [2_000, 1]) {
      const started = await worker.start(
        { runTurns: (_, nth) => (nth === 1 ? untilCancelledThen(turns('continue', 1)) : turns('idle', 2)) },
        { continueAsNewAfterEvents },
      )
      await started.fake.reached('runTurns')
      await started.handle.signal(cancelTask, { by: 'user' })
      await started.handle.result()
      expect([started.fake.of('runTurns').length, endings(started)]).toMatchObject([1, [{ kind: 'cancelled' }]])
    }
  })

  test('with words of any length and shape puts no large payload into the history', async () => {
    const started = await worker.start({ runTurns: untilCancelled })
    await started.fake.reached('runTurns')
    await started.handle.signal('cancelTask', { by: 7, reason: { not: 'text' } })
    await started.handle.result()
    expect(endings(started)).toEqual([{ kind: 'cancelled' }])
  })
})

describe('making the context anew', () => {
  const forces = ({ fake }: TaskRun) =>
    fake.calls
      .filter(({ name }) => name === 'prepareTask' || name === 'prepareProjectContext')
      .map(({ input, wasCancelled }) => ({ force: (input as { force: boolean }).force, wasCancelled }))

  test('is done at the next turn boundary, several requests as one, and a generation under way is restarted', async () => {
    const played = await play('regenerated')
    expect(steps(played)).toEqual([
      'prepareTask x2',
      'runTurns',
      'prepareProjectContext',
      'runTurns',
      ...ROUND,
      'finishTask',
    ])
    expect(forces(played)).toEqual([
      { force: false, wasCancelled: true },
      { force: true, wasCancelled: false },
      { force: true, wasCancelled: false },
    ])
  })

  test('asked for after the last turn is done before the task ends, and its failure is not the task’s', async () => {
    const played = await play('regenerated_late')
    expect(steps(played)).toEqual([...PREPARED, 'runTurns', ...ROUND, 'prepareProjectContext', 'finishTask'])
    expect(forces(played).at(-1)).toEqual({ force: true, wasCancelled: false })

    const failing = await worker.start({
      ...shapeOf('regenerated_late').behaviours,
      prepareProjectContext: () => {
        throw ApplicationFailure.nonRetryable('No such file.', 'internal')
      },
    })
    await shapeOf('regenerated_late').drive?.(failing)
    await failing.handle.result()
    expect(failing.fake.of('finishTask')).toMatchObject([{ input: { kind: 'completed', outcome: 'approved' } }])
  })

  test('asked for while a set-up comes first makes the first one anew', async () => {
    let isAsked = false
    const started = await worker.start({
      prepareTask: () => ({ isSetupDue: true }),
      setUpProject: async () => {
        await waitFor(() => isAsked, 'somebody asked')
      },
    })
    await started.fake.reached('setUpProject')
    await started.handle.signal(regenerateProjectContext, { by: 'user' })
    isAsked = true
    await started.handle.result()
    expect(forces(started)).toEqual([
      { force: false, wasCancelled: false },
      { force: true, wasCancelled: false },
    ])
  })

  test('asked for while the task waits for a budget is done before it goes on', async () => {
    const started = await worker.start({ runTurns: (_, nth) => turns(nth === 1 ? 'needs_budget' : 'idle', nth) })
    await started.fake.reached('awaitBudget')
    await started.handle.signal(regenerateProjectContext, { by: 'user' })
    await started.handle.signal(wake)
    await started.handle.result()
    expect(steps(started).slice(1)).toEqual([
      ...['runTurns', 'awaitBudget', 'prepareProjectContext', 'runTurns'],
      ...ROUND,
      'finishTask',
    ])
  })

  test('of a project without a task is a workflow of its own', async () => {
    const projectId = `prj_${Date.now()}`
    const fake = worker.addProject(projectId, {})
    const handle = await worker.client.workflow.start('refreshProjectContext', {
      workflowId: `refresh-project-context/${projectId}`,
      taskQueue: worker.taskQueue,
      args: [{ projectId }],
    })
    await handle.result()
    expect(fake.calls).toMatchObject([{ name: 'refreshContext', input: { projectId } }])
  })
})

describe('a long history', () => {
  test('is continued as new at a turn boundary; what was known goes along', async () => {
    const played = await play('continued_as_new')
    expect(steps(played)).toEqual([...PREPARED, 'runTurns x4', ...ROUND, 'finishTask'])
    const first = worker.client.workflow.getHandle(played.handle.workflowId, played.handle.firstExecutionRunId)
    const history = await first.fetchHistory()
    expect(history.events?.some((event) => event.workflowExecutionContinuedAsNewEventAttributes)).toBe(true)
    const before = await first.query(taskState)
    const after = await worker.client.workflow.getHandle(played.handle.workflowId).query(taskState)
    expect(before.turn).toBeGreaterThan(0)
    expect(after).toEqual({ ...before, phase: 'done', turn: 1, round: 1, usage: after.usage })
    expect(after.usage.inputTokens).toBe(1_000)
  })

  test('keeps the round, the review and the phase while the agent mends', async () => {
    const behaviours: Behaviours = {
      ...shapeOf('one_fix_round').behaviours,
      runTurns: (_, nth) => turns(nth === 2 || nth === 3 ? 'continue' : 'idle', nth),
    }
    const played = await run(behaviours, { continueAsNewAfterEvents: 20 })
    expect(played.fake.of('runTurns').map(({ input }) => (input as { phase: string }).phase)).toEqual([
      'working',
      'fixing',
      'fixing',
      'fixing',
    ])
    expect(played.fake.of('reviewChanges').map(({ input }) => input)).toMatchObject([
      { round: 1, fixRounds: 0 },
      { round: 2, fixRounds: 1 },
    ])
    expect(endings(played)).toEqual([{ kind: 'completed', outcome: 'approved' }])
  })

  test('keeps a wish for a new context that came in its last slice', async () => {
    let isAsked = false
    const started = await worker.start(
      {
        async runTurns(_, nth) {
          if (nth === 1) await waitFor(() => isAsked, 'somebody asked')
          return turns(nth === 1 ? 'continue' : 'idle', nth)
        },
      },
      { continueAsNewAfterEvents: 1 },
    )
    await started.fake.reached('runTurns')
    await started.handle.signal(regenerateProjectContext, { by: 'user' })
    isAsked = true
    await started.handle.result()
    expect(steps(started)).toEqual([
      ...PREPARED,
      'runTurns',
      'prepareProjectContext',
      'runTurns',
      ...ROUND,
      'finishTask',
    ])
  })
})

describe('queries', () => {
  test('say what the activities said, while the task runs and after it has ended', async () => {
    let isAsked = false
    const usage = { inputTokens: 1, outputTokens: 2, cacheReadTokens: 3, cacheWriteTokens: 4 }
    const review = aReview({ status: 'reviewing', round: 1, treeHash: 'tree_1', findings: { open: 1, resolved: 2 } })
    const approved = { ...review, status: 'approved', verdict: 'approved' } as const
    const started = await worker.start({
      runTurns: () => ({ status: 'idle', turn: 7, usage }),
      runChecks: () => ({ failed: 0, review }),
      async reviewChanges() {
        await waitFor(() => isAsked, 'somebody asked')
        return { verdict: 'approved', review: approved, turn: 9, usage: { ...usage, inputTokens: 50 } }
      },
    })
    await started.fake.reached('reviewChanges')
    await started.handle.signal(wake)
    const running = await started.handle.query(taskState)
    expect(running).toEqual({
      ...{ phase: 'reviewing', turn: 7, round: 1, usage, pendingMessages: 1 },
      startedAt: expect.any(Number) as number,
    })
    expect(await started.handle.query(reviewState)).toEqual(review)
    isAsked = true
    await started.handle.result()
    expect(await started.handle.query(taskState)).toEqual({
      ...running,
      phase: 'done',
      turn: 9,
      usage: { ...usage, inputTokens: 50 },
    })
    expect(await started.handle.query(reviewState)).toEqual(approved)
  })

  test('answer before the first activity has ended', async () => {
    const started = await worker.start({ prepareTask: untilCancelled })
    await started.fake.reached('prepareTask')
    expect(await started.handle.query(reviewState)).toEqual(aReview())
    await started.handle.cancel()
    await started.handle.result()
  })
})

describe('failures', () => {
  test('that no more trying mends end the task with their code and sentence', async () => {
    const played = await play('failed')
    expect(steps(played)).toEqual([...PREPARED, 'runTurns', 'finishTask'])
    expect(endings(played)).toEqual([
      { kind: 'failed', reason: { code: 'model_auth_failed', message: 'The API key was refused.' } },
    ])
  })

  test('of calls that cannot be run leave what was changed before to a review without a fix, and end the task all the same', async () => {
    const reason = { code: 'model_calls_as_text', message: 'The server does not parse tool calls.' }
    const runTurns = () => {
      throw ApplicationFailure.nonRetryable(reason.message, reason.code)
    }
    const judged = await run({ runTurns })
    const failing = await run({
      runTurns,
      runChecks: ({ round, treeHash }) => ({
        failed: 1,
        review: aReview({ status: 'issues_remaining', round, treeHash }),
      }),
    })
    const unchanged = await run({
      runTurns,
      captureChanges: () => ({ changed: false, treeHash: 'tree_0', stat: NO_DIFF }),
    })
    const unjudged = await run({
      runTurns,
      reviewChanges: () => {
        throw ApplicationFailure.nonRetryable('The reviewer cannot call either.', 'model_calls_as_text')
      },
    })
    const looked = [...PREPARED, 'runTurns', 'captureChanges']
    expect([judged, failing, unchanged, unjudged].map(steps)).toEqual([
      [...looked, 'runChecks', 'reviewChanges', 'finishTask'],
      [...looked, 'runChecks', 'finishTask'],
      [...looked, 'finishTask'],
      [...looked, 'runChecks', 'reviewChanges', 'finishTask'],
    ])
    expect([judged, failing, unchanged, unjudged].map(endings)).toEqual(Array(4).fill([{ kind: 'failed', reason }]))
    expect(judged.fake.of('reviewChanges')[0]?.input).toMatchObject({ round: 1, fixRounds: 0, maxFixRounds: 0 })
  })

  test('that may pass are tried again, by the same activity', async () => {
    const played = await play('retried')
    expect(played.fake.of('runTurns').map((call) => call.attempt)).toEqual([1, 2])
    expect(endings(played)).toEqual([{ kind: 'completed', outcome: 'approved' }])
  })

  test('while the task is being finished end it as failed', async () => {
    const played = await run({
      finishTask: ({ kind }) => {
        if (kind === 'failed') return true
        throw ApplicationFailure.nonRetryable('The journal is broken.', 'journal_conflict')
      },
    })
    expect(endings(played)).toEqual([
      { kind: 'completed', outcome: 'approved' },
      { kind: 'failed', reason: { code: 'journal_conflict', message: 'The journal is broken.' } },
    ])
  })

  test('in the very last step fail the workflow, so that somebody sees it', async () => {
    const started = await worker.start({
      finishTask: () => {
        throw ApplicationFailure.nonRetryable('Broken.', 'internal')
      },
    })
    const failure = await started.handle.result().catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(WorkflowFailedError)
    expect((failure as WorkflowFailedError).cause).toBeInstanceOf(ActivityFailure)
    expect((failure as WorkflowFailedError).cause).not.toBeInstanceOf(TimeoutFailure)
  })
})

describe('what Temporal’s Web UI shows', () => {
  test('a summary for every activity', async () => {
    const played = await play('one_fix_round')
    expect(summariesOf(await played.handle.fetchHistory())).toEqual([
      { activity: 'prepareTask', summary: 'Prepare the sandbox and the context' },
      { activity: 'runTurns', summary: 'Turns from 1' },
      { activity: 'captureChanges', summary: 'Capture the changes' },
      { activity: 'runChecks', summary: 'Round 1: run the checks' },
      { activity: 'reviewChanges', summary: 'Round 1: review the changes' },
      { activity: 'runTurns', summary: 'Turns from 4, fix round 1' },
      { activity: 'captureChanges', summary: 'Capture the changes' },
      { activity: 'runChecks', summary: 'Round 2: run the checks' },
      { activity: 'reviewChanges', summary: 'Round 2: review the changes' },
      { activity: 'finishTask', summary: 'Finish: approved' },
    ])
  })

  test.each<[ShapeName, string]>([
    ['failed', 'Finish: failed, model_auth_failed'],
    ['cancelled_mid_turn', 'Finish: cancelled'],
    ['budget_timed_out', 'Finish: budget_reached'],
  ])('how a task that is %s was finished', async (name, summary) => {
    const played = await play(name)
    expect(summariesOf(await played.handle.fetchHistory()).at(-1)).toEqual({ activity: 'finishTask', summary })
  })

  test('project, phase and verdict as search attributes', async () => {
    const played = await play('plain')
    const failing = await play('checks_failing')
    const plain = await play('conversation_only')
    const attributes = async ({ handle }: TaskRun) => (await handle.describe()).searchAttributes
    expect(await attributes(played)).toMatchObject({
      KeelsonProject: [played.input.projectId],
      KeelsonPhase: ['done'],
      KeelsonVerdict: ['approved'],
    })
    expect(await attributes(failing)).toMatchObject({ KeelsonVerdict: ['approved'] })
    expect(await attributes(plain)).not.toHaveProperty('KeelsonVerdict')
  })

  test('a short status in words', async () => {
    const played = await play('plain')
    const metadata = await played.handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata')
    expect(metadata.currentDetails).toBe(
      '- phase: **done**\n- turn: 1\n- review: **approved**, round 1\n- tokens: 1000 in, 0 out',
    )
  })
})
