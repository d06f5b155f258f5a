import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js'
import { describe, expect, test } from 'vitest'
import type { ReviewState } from '../../../src/shared/review.ts'
import { type TaskState, workflowIdFor } from '../../../src/shared/task.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import type { TestStack } from '../../support/stack.ts'
import { waitFor } from '../../support/wait-for.ts'

export function temporalSuite(stack: TestStack): void {
  describe('what Temporal shows', () => {
    const MAX_PAYLOAD_BYTES = 4_096
    const SECRET = 'these words of the user must not be in any history'

    /** Temporal's own command line against the running instance; its answer as JSON. */
    async function temporal<T>(...args: readonly string[]): Promise<T> {
      const { address = '', namespace } = stack.state().temporal
      const at = ['--address', address, '--namespace', namespace, '--output', 'json']
      const program = process.env['KEELSON_TEST_TEMPORAL_BINARY'] ?? 'temporal'
      const options = {
        env: { PATH: process.env['PATH'], HOME: stack.home },
        timeout: 30_000,
        maxBuffer: 16 * 1024 * 1024,
      }
      const { stdout } = await promisify(execFile)(program, [...args, ...at], options)
      return (stdout.trim() === '' ? null : JSON.parse(stdout)) as T
    }

    const decode = (payload: { data?: string }) =>
      JSON.parse(Buffer.from(payload.data ?? '', 'base64').toString('utf8'))

    interface Listed {
      readonly execution: { readonly workflowId: string }
      readonly type: { readonly name: string }
      readonly status: string
      readonly taskQueue: string
      readonly searchAttributes: { readonly indexedFields: Readonly<Record<string, { data?: string }>> }
    }

    async function listed(query: string): Promise<Listed[]> {
      return (await temporal<Listed[] | null>('workflow', 'list', '--query', query)) ?? []
    }

    async function queryByCli<T>(workflowId: string, type: string): Promise<T> {
      // The shorthand prints an empty list as null.
      const answer = await temporal<{ queryResult: { payloads: { data: string }[] } }>(
        'workflow',
        'query',
        '--workflow-id',
        workflowId,
        '--type',
        type,
        '--no-json-shorthand-payloads',
      )
      return decode(answer.queryResult.payloads[0] ?? {}) as T
    }

    test('the temporal command lists, shows, queries and cancels a running task', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const stream = await api.chatStream(projectId, {
        message: `${SECRET} ${scriptOf([running('echo a line; sleep 120', { text: SECRET })])}`,
      })
      const { taskId = '' } = await stream.next('command.started')
      const workflowId = workflowIdFor(taskId)
      const [found] = await waitFor(async () => {
        const rows = await listed(`KeelsonProject = "${projectId}" AND KeelsonPhase = "working"`)
        return rows.length > 0 && rows
      }, 'the task is listed under its phase')
      const state = await queryByCli<TaskState>(workflowId, 'taskState')
      const review = await queryByCli<ReviewState>(workflowId, 'reviewState')
      const details = await temporal<{ workflowExecutionInfo: { historyLength: string } }>(
        'workflow',
        'describe',
        '--workflow-id',
        workflowId,
      )
      const fields = found?.searchAttributes.indexedFields ?? {}
      expect({
        id: found?.execution.workflowId,
        type: found?.type.name,
        queue: found?.taskQueue,
        status: found?.status,
        project: decode(fields['KeelsonProject'] ?? {}),
        phase: decode(fields['KeelsonPhase'] ?? {}),
        state,
        review,
        described: Number(details.workflowExecutionInfo.historyLength) > 10,
      }).toEqual({
        id: `coding-task/${taskId}`,
        type: 'codingTask',
        queue: 'coding-tasks',
        status: 'WORKFLOW_EXECUTION_STATUS_RUNNING',
        project: projectId,
        phase: 'working',
        state: {
          phase: 'working',
          turn: expect.any(Number),
          round: 0,
          startedAt: expect.any(Number),
          pendingMessages: 0,
          usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 },
        },
        review: {
          status: 'not_started',
          round: 0,
          fixRounds: 0,
          maxFixRounds: 2,
          findings: { open: 0, resolved: 0 },
          history: [],
        },
        described: true,
      })

      const input = JSON.stringify({ reason: 'From the command line.', by: 'operator' })
      await temporal('workflow', 'signal', '--workflow-id', workflowId, '--name', 'cancelTask', '--input', input)
      const events = await stream.untilTerminal()
      expect(events.at(-1)).toMatchObject({ type: 'task.cancelled', killed: [{ command: 'echo a line; sleep 120' }] })
      expect(events.find((event) => event.type === 'task.cancel_requested')).toMatchObject({
        by: 'operator',
        reason: 'From the command line.',
      })
      expect(await api.task(taskId)).toMatchObject({
        status: 'cancelled',
        reason: { code: 'cancelled', message: 'From the command line.' },
      })
      expect(await queryByCli<TaskState>(workflowId, 'taskState')).toMatchObject({ phase: 'done' })
    })

    test('native cancellation does what cancelTask does', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const stream = await api.chatStream(projectId, { message: scriptOf([running('sleep 120')]) })
      const { taskId = '' } = await stream.next('command.started')
      await temporal('workflow', 'cancel', '--workflow-id', workflowIdFor(taskId))
      const events = await stream.untilTerminal()
      expect(events.at(-1)).toMatchObject({ type: 'task.cancelled', killed: [{ command: 'sleep 120' }] })
      expect((await api.task(taskId)).status).toBe('cancelled')
    })

    test('a message that was posted after a native cancellation is answered by the next task, however late the worker hears of it', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const stream = await api.chatStream(projectId, { message: scriptOf([running('sleep 120')]) })
      const { taskId = '', conversationId = '' } = await stream.next('command.started')
      const before = await api.chat(projectId, { message: 'not any more', delivery: 'queue' })
      const worker = stack.state().processes.worker ?? 0
      process.kill(worker, 'SIGSTOP')
      let after: typeof before
      try {
        await temporal('workflow', 'cancel', '--workflow-id', workflowIdFor(taskId))
        after = await api.chat(projectId, { message: scriptOf([{ text: 'Answered.' }]) })
      } finally {
        process.kill(worker, 'SIGCONT')
      }
      await stream.untilTerminal()
      const statusOf = async (id: string) => (await api.messages(conversationId)).find((it) => it.id === id)
      const answered = await waitFor(async () => {
        const message = await statusOf(after.messageId)
        return message?.status === 'claimed' && message
      }, 'the message is taken by the next task')
      const next = await api.ended(answered.taskId ?? '')
      expect({
        joined: [before.joined, after.joined],
        before: (await statusOf(before.messageId))?.status,
        isOther: answered.taskId !== taskId,
        ended: [(await api.task(taskId)).status, next.status],
      }).toEqual({
        joined: [true, true],
        before: 'cancelled',
        isOther: true,
        ended: ['cancelled', 'completed'],
      })
    })

    test('a closed run still answers its queries, and its search attributes tell the verdict', async () => {
      const { api } = stack
      const projectId = await api.newProject({ kind: 'sample' })
      const { taskId } = await api.chat(projectId, { message: `Fix the failing tests. ${SECRET}` })
      const task = await api.ended(taskId)
      const [found] = await waitFor(async () => {
        const rows = await listed(`KeelsonProject = "${projectId}" AND KeelsonVerdict = "approved"`)
        return rows.some((row) => row.status.endsWith('COMPLETED')) && rows
      }, 'the closed task is listed under its verdict')
      const state = await queryByCli<TaskState>(workflowIdFor(taskId), 'taskState')
      expect({
        outcome: task.outcome,
        review: await queryByCli<ReviewState>(workflowIdFor(taskId), 'reviewState'),
        state: { ...state, startedAt: 0 },
        phase: decode(found?.searchAttributes.indexedFields['KeelsonPhase'] ?? {}),
      }).toEqual({
        outcome: 'approved',
        review: task.review,
        state: { phase: 'done', turn: task.turn, round: 2, startedAt: 0, usage: task.usage, pendingMessages: 0 },
        phase: 'done',
      })
    })

    test('no payload in any history is over 4 KB, none holds words of the user, and every activity has a summary', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const long = 'x'.repeat(30_000)
      const { taskId } = await api.chat(projectId, {
        message: `${SECRET} ${long} ${scriptOf([running(`echo ${'y'.repeat(20_000)}`, { text: SECRET }), { text: long }])}`,
      })
      await api.ended(taskId)
      await api.post(`/api/workspace/${projectId}/context/regenerate`)
      const { client, histories } = await allHistories()
      expect(client).toBeGreaterThanOrEqual(4)
      const payloads = histories.flatMap((history) => payloadsIn(history))
      expect({
        many: payloads.length > 100,
        tooLarge: payloads.filter((data) => Buffer.byteLength(data, 'base64') > MAX_PAYLOAD_BYTES).length,
        telling: payloads.filter((data) => /these words|xxxxx|yyyyy/.test(Buffer.from(data, 'base64').toString()))
          .length,
        unnamed: histories.flatMap((history) => activitiesWithoutSummary(history)),
      }).toEqual({ many: true, tooLarge: 0, telling: 0, unnamed: [] })
    })

    type Json = Readonly<Record<string, unknown>>

    async function allHistories(): Promise<{ client: number; histories: Json[] }> {
      const client = await stack.temporal()
      const histories: Json[] = []
      for await (const { workflowId, runId } of client.workflow.list()) {
        const history = await client.workflow.getHandle(workflowId, runId).fetchHistory()
        histories.push(JSON.parse(historyToJSON(history)) as Json)
      }
      return { client: histories.length, histories }
    }

    /** The `data` of everything in a history that looks like a payload, at any depth. */
    function payloadsIn(value: unknown): string[] {
      if (typeof value !== 'object' || value === null) return []
      const inner = Object.values(value).flatMap(payloadsIn)
      const { metadata, data } = value as { metadata?: unknown; data?: unknown }
      return typeof data === 'string' && typeof metadata === 'object' ? [data, ...inner] : inner
    }

    function activitiesWithoutSummary(history: Json): string[] {
      const events = (history['events'] ?? []) as readonly Json[]
      return events.flatMap((event) => {
        const scheduled = event['activityTaskScheduledEventAttributes'] as
          | { activityType?: { name?: string } }
          | undefined
        if (scheduled === undefined) return []
        const { summary } = (event['userMetadata'] ?? {}) as { summary?: unknown }
        return summary === undefined ? [scheduled.activityType?.name ?? 'unknown'] : []
      })
    }
  })
}
