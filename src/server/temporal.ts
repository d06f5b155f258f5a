import {
  Client,
  Connection,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client'
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common'
import type { Config } from '../settings/config-groups.ts'
import { type CompareInput, compareWorkflowIdFor } from '../shared/comparison.ts'
import { type PublishInput, publishWorkflowIdFor } from '../shared/publication.ts'
import {
  type CancelTaskSignal,
  type CodingTaskInput,
  type RefreshContextInput,
  type RegenerateContextSignal,
  refreshWorkflowIdFor,
  type SetUpInput,
  setUpWorkflowIdFor,
  TASK_QUEUE,
  workflowIdFor,
} from '../shared/task.ts'
import type {
  codingTask,
  compareAlternatives,
  publishChanges,
  refreshProjectContext,
  setUpEnvironment,
} from '../workflows/index.ts'
import { cancelTask, regenerateProjectContext, resolveApproval, wake } from '../workflows/messages.ts'

const CALL_TIMEOUT_MS = 2_000
const LOOK_TIMEOUT_MS = 1_000
/** How long an answer about workers is good for, and how long after its last poll a worker counts as there. */
const WORKERS_FRESH_MS = 3_000
const POLLER_FRESH_MS = 75_000

const PROJECT = defineSearchAttributeKey('KeelsonProject', SearchAttributeType.KEYWORD)

/** What became of a signal: `gone` when its workflow has ended or never was. */
export type Signalled = 'told' | 'gone'

/** What the server says to Temporal. Every call ends within two seconds; failures are thrown, to be tried again. */
export interface TaskStarter {
  /** Idempotent by the task's workflow id. */
  startTask(input: CodingTaskInput): Promise<void>
  startRefresh(input: RefreshContextInput): Promise<void>
  startSetUp(input: SetUpInput): Promise<void>
  /** Idempotent by the publication's workflow id. */
  startPublish(input: PublishInput): Promise<void>
  /** Idempotent by the comparison's workflow id. */
  startComparison(input: CompareInput): Promise<void>
  wakeTask(taskId: string): Promise<Signalled>
  cancelTask(taskId: string, signal: CancelTaskSignal): Promise<Signalled>
  /**
   * Tells the workflow of the task, or of the publication that waits, what was decided; `updateId` makes a repeat harmless. A workflow that does not know of the
   * approval yet, or has seen to it, is woken: the decision is in the database already.
   */
  resolveApproval(
    at: { readonly taskId: string; readonly publicationId?: string | undefined },
    updateId: string,
    decision: Readonly<Record<string, unknown>>,
  ): Promise<Signalled>
  /** Has a comparison look at what was decided. */
  wakeComparison(comparisonId: string): Promise<Signalled>
  /** Has a publication that waits for a person look again. */
  wakePublication(publicationId: string): Promise<Signalled>
  regenerateContext(taskId: string, signal: RegenerateContextSignal): Promise<Signalled>
}

/** Temporal as the server uses it. */
export interface Temporal extends TaskStarter {
  /** Whether a worker asks for tasks. `none` also while Temporal is away. */
  workers(): Promise<'polling' | 'none'>
  isReachable(): Promise<boolean>
  /** Whether a task's workflow has ended, or never was. Throws while Temporal is away. */
  isWorkflowOver(taskId: string): Promise<boolean>
  /** The same of a comparison's. */
  isComparisonOver(comparisonId: string): Promise<boolean>
  close(): Promise<void>
}

/** Connects at the first call, and again by itself after a loss, within two seconds of Temporal's return. */
export function createTemporal(config: Config['temporal']): Temporal {
  const { address, tls, apiKey, metadata } = config.connectionOptions
  const connection = Connection.lazy({
    address: address ?? config.address,
    connectTimeout: CALL_TIMEOUT_MS,
    ...(tls === undefined || tls === null ? {} : { tls }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(metadata === undefined ? {} : { metadata: metadata as Record<string, string> }),
    channelArgs: { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 1_500 },
  })
  const client = new Client({ connection, namespace: config.namespace })
  const soon = <T>(work: () => Promise<T>): Promise<T> => connection.withDeadline(Date.now() + CALL_TIMEOUT_MS, work)
  let known: { at: number; workers: Promise<'polling' | 'none'> } | undefined

  const look = async (): Promise<'polling' | 'none'> => {
    try {
      const answer = await connection.withDeadline(Date.now() + LOOK_TIMEOUT_MS, () =>
        connection.workflowService.describeTaskQueue({
          namespace: config.namespace,
          taskQueue: { name: TASK_QUEUE },
          taskQueueType: 1,
        }),
      )
      const isThere = answer.pollers.some((poller) => {
        const last = Number(poller.lastAccessTime?.seconds ?? 0) * 1_000
        return Date.now() - last < POLLER_FRESH_MS
      })
      return isThere ? 'polling' : 'none'
    } catch {
      // Not reachable: nothing can be working on a task either; readiness names the cause.
      return 'none'
    }
  }

  const isOver = async (workflowId: string): Promise<boolean> => {
    try {
      const { status } = await soon(() => client.workflow.getHandle(workflowId).describe())
      return status.name !== 'RUNNING'
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return true
      throw error
    }
  }

  return {
    startTask: async (input) => {
      await startOnce(() =>
        soon(() =>
          client.workflow.start<typeof codingTask>('codingTask', {
            workflowId: workflowIdFor(input.taskId),
            workflowIdReusePolicy: 'REJECT_DUPLICATE',
            taskQueue: TASK_QUEUE,
            args: [input],
            typedSearchAttributes: [{ key: PROJECT, value: input.projectId }],
            staticSummary: `Coding task of project ${input.projectId}`,
          }),
        ),
      )
    },
    startRefresh: async (input) => {
      await startOnce(() =>
        soon(() =>
          client.workflow.start<typeof refreshProjectContext>('refreshProjectContext', {
            workflowId: refreshWorkflowIdFor(input.projectId),
            taskQueue: TASK_QUEUE,
            args: [input],
            typedSearchAttributes: [{ key: PROJECT, value: input.projectId }],
            staticSummary: `Context of project ${input.projectId}`,
          }),
        ),
      )
    },
    startSetUp: async (input) => {
      await startOnce(() =>
        soon(() =>
          client.workflow.start<typeof setUpEnvironment>('setUpEnvironment', {
            workflowId: setUpWorkflowIdFor(input.projectId),
            taskQueue: TASK_QUEUE,
            args: [input],
            typedSearchAttributes: [{ key: PROJECT, value: input.projectId }],
            staticSummary: `Set-up of project ${input.projectId}`,
          }),
        ),
      )
    },
    startPublish: async (input) => {
      await startOnce(() =>
        soon(() =>
          client.workflow.start<typeof publishChanges>('publishChanges', {
            workflowId: publishWorkflowIdFor(input.publicationId),
            workflowIdReusePolicy: 'REJECT_DUPLICATE',
            taskQueue: TASK_QUEUE,
            args: [input],
            typedSearchAttributes: [{ key: PROJECT, value: input.projectId }],
            staticSummary: `Publication of project ${input.projectId}`,
          }),
        ),
      )
    },
    startComparison: async (input) => {
      await startOnce(() =>
        soon(() =>
          client.workflow.start<typeof compareAlternatives>('compareAlternatives', {
            workflowId: compareWorkflowIdFor(input.comparisonId),
            workflowIdReusePolicy: 'REJECT_DUPLICATE',
            taskQueue: TASK_QUEUE,
            args: [input],
            typedSearchAttributes: [{ key: PROJECT, value: input.projectId }],
            staticSummary: `Alternatives in project ${input.projectId}`,
          }),
        ),
      )
    },
    wakeComparison: (comparisonId) =>
      signalled(() => soon(() => client.workflow.getHandle(compareWorkflowIdFor(comparisonId)).signal(wake))),
    wakeTask: (taskId) => signalled(() => soon(() => handleOf(client, taskId).signal(wake))),
    cancelTask: (taskId, signal) => signalled(() => soon(() => handleOf(client, taskId).signal(cancelTask, signal))),
    wakePublication: (publicationId) =>
      signalled(() => soon(() => client.workflow.getHandle(publishWorkflowIdFor(publicationId)).signal(wake))),
    resolveApproval: ({ taskId, publicationId }, updateId, decision) =>
      signalled(async () => {
        const id = publicationId === undefined ? workflowIdFor(taskId) : publishWorkflowIdFor(publicationId)
        const handle = client.workflow.getHandle(id)
        try {
          await soon(() => handle.executeUpdate(resolveApproval.name, { args: [decision], updateId }))
        } catch (error) {
          if (!(error instanceof WorkflowUpdateFailedError)) throw error
          await soon(() => handle.signal(wake))
        }
      }),
    regenerateContext: (taskId, signal) =>
      signalled(() => soon(() => handleOf(client, taskId).signal(regenerateProjectContext, signal))),
    workers: () => {
      if (known === undefined || Date.now() - known.at > WORKERS_FRESH_MS) known = { at: Date.now(), workers: look() }
      return known.workers
    },
    isReachable: async () => {
      try {
        await connection.withDeadline(Date.now() + LOOK_TIMEOUT_MS, () =>
          connection.workflowService.describeNamespace({ namespace: config.namespace }),
        )
        return true
      } catch {
        return false
      }
    },
    isWorkflowOver: async (taskId) => await isOver(workflowIdFor(taskId)),
    isComparisonOver: async (comparisonId) => await isOver(compareWorkflowIdFor(comparisonId)),
    close: () => connection.close(),
  }
}

function handleOf(client: Client, taskId: string) {
  return client.workflow.getHandle(workflowIdFor(taskId))
}

async function startOnce(start: () => Promise<unknown>): Promise<void> {
  try {
    await start()
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
  }
}

async function signalled(signal: () => Promise<void>): Promise<Signalled> {
  try {
    await signal()
    return 'told'
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'gone'
    throw error
  }
}
