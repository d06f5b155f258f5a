/** Projects, messages and tasks as the server and a worker make them, with what a test does not care about filled in. */

import type { Db } from '../../src/db/client.ts'
import { createProject, type ProjectSource } from '../../src/db/project/projects.ts'
import { type AcceptedMessage, type AcceptMessage, acceptMessage } from '../../src/db/task/accept-message.ts'
import { type Attempt, acquireLease } from '../../src/db/task/attempt.ts'
import type { StoredEvent } from '../../src/events/topics.ts'
import type { SandboxKind } from '../../src/sandbox/types.ts'
import type { Phase } from '../../src/shared/task.ts'

export async function aProject(
  db: Db,
  source: ProjectSource = { kind: 'empty' },
  sandboxProvider: SandboxKind = 'local-bwrap',
): Promise<string> {
  return (await createProject(db, { name: 'test', source, sandboxProvider })).id
}

export function aMessage(overrides: Partial<AcceptMessage> & { readonly projectId: string }): AcceptMessage {
  return {
    text: 'Please do it',
    delivery: 'steer',
    model: 'claude-haiku-4-5',
    forceRegenerateContext: false,
    budget: {},
    defaultBudget: {},
    maxFixRounds: 2,
    ...overrides,
  }
}

export async function post(
  db: Db,
  overrides: Partial<AcceptMessage> & { readonly projectId: string },
): Promise<AcceptedMessage> {
  return await acceptMessage(db, aMessage(overrides))
}

/** Takes a task over as the first attempt of an activity does. */
export async function takeOver(
  db: Db,
  ids: { readonly taskId: string; readonly projectId: string },
  overrides: { readonly phase?: Phase; readonly attempt?: number } = {},
): Promise<Attempt> {
  const { phase = 'working', attempt = 1 } = overrides
  return await acquireLease(db, ids, { activity: 'runTurns', attempt }, phase)
}

export interface RunningTask extends AcceptedMessage {
  readonly attempt: Attempt
}

/** A project with one task that a worker has taken over. */
export async function aRunningTask(db: Db, overrides: Partial<AcceptMessage> = {}): Promise<RunningTask> {
  const projectId = overrides.projectId ?? (await aProject(db))
  const accepted = await post(db, { ...overrides, projectId })
  return { ...accepted, attempt: await takeOver(db, accepted) }
}

export type Frame = Readonly<Record<string, unknown>> & { readonly type: string; readonly seq: number }

/** The frames of stored events, as a reader parses them. */
export function framesOf(events: readonly StoredEvent[]): Frame[] {
  return events.map((event) => JSON.parse(event.data) as Frame)
}
