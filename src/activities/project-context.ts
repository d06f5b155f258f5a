import { log } from '@temporalio/activity'
import { writeOwnNote } from '../context/own-notes.ts'
import { CONTEXT_FILE, collectProjectContext, contextInputHash } from '../context/project-context.ts'
import { currentContext, pinContext, saveContext } from '../db/project/contexts.ts'
import { appendEvents } from '../db/stream/events.ts'
import type { Attempt } from '../db/task/attempt.ts'
import { projectMemory } from '../db/turn/memory.ts'
import { addNotice } from '../db/turn/notices.ts'
import type { EventScope, NewEvent } from '../events/topics.ts'
import { MEMORY_FILE, memoryFile } from '../memory/memory-text.ts'
import type { Sandbox } from '../sandbox/types.ts'
import { newId } from '../shared/ids.ts'
import type { Activities } from '../workflows/activities.ts'
import type { ActivityDeps } from './deps.ts'
import { runActivity } from './run-activity.ts'

/**
 * Makes a task's project context when an input changed or `force`, else reuses it; tells the model of a task that has one
 * already. Throws `sandbox_*`, `lease_lost`. Safe to repeat.
 */
export async function prepareContext(
  deps: ActivityDeps,
  at: { readonly attempt: Attempt; readonly sandbox: Sandbox; readonly force: boolean },
): Promise<void> {
  const { attempt, sandbox, force } = at
  const { scope, lease } = attempt
  const { projectId, taskId } = scope
  await writeMemoryFile(deps, sandbox, projectId)
  const made = await makeContext(deps, sandbox, { projectId, scope, force, key: `${taskId}:${lease}` })
  await useContext(attempt, made)
}

/** Makes the context of a project that has no task. */
export function createContextActivities(deps: ActivityDeps): Pick<Activities, 'refreshContext'> {
  return {
    refreshContext: runActivity(async ({ projectId }) => {
      const sandbox = await deps.workspaces.open(projectId)
      const scope = { projectId, conversationId: null, taskId: null }
      const made = await makeContext(deps, sandbox, { projectId, scope, force: true, key: newId('req') })
      await appendEvents(deps.db, projectId, [made.event])
    }),
  }
}

/** Lets tools and people read what is remembered; a project that never remembered anything has no such file. */
async function writeMemoryFile(deps: ActivityDeps, sandbox: Sandbox, projectId: string): Promise<void> {
  const { version, facts } = await projectMemory(deps.db, projectId)
  if (version > 0) await copyNote(sandbox, MEMORY_FILE, memoryFile(facts))
}

/** Without the copy the task goes on: the note is there for people and tools, we read it from Postgres. */
async function copyNote(sandbox: Sandbox, path: string, data: string): Promise<void> {
  const reason = await writeOwnNote(sandbox, path, data)
  if (reason !== null) log.warn('a note of ours is not in the workspace', { path, reason })
}

interface Made {
  readonly hash: string
  readonly markdown: string
  readonly event: NewEvent
}

async function makeContext(
  deps: ActivityDeps,
  sandbox: Sandbox,
  ask: { projectId: string; scope: EventScope; force: boolean; key: string },
): Promise<Made> {
  const startedAt = performance.now()
  const known = await currentContext(deps.db, ask.projectId)
  if (known && !ask.force && known.hash === (await contextInputHash(sandbox))) {
    const payload = { hash: known.hash, tokens: known.tokens }
    const event = { type: 'context.reused', key: `context.reused:${ask.key}`, scope: ask.scope, payload } as const
    return { hash: known.hash, markdown: known.markdown, event }
  }
  const { markdown, hash, tokens, sources } = await collectProjectContext(sandbox)
  await copyNote(sandbox, CONTEXT_FILE, markdown)
  await saveContext(deps.db, { projectId: ask.projectId, hash, markdown, tokens, sources })
  const durationMs = Math.round(performance.now() - startedAt)
  const payload = { hash, tokens, forced: ask.force, durationMs }
  return {
    hash,
    markdown,
    event: { type: 'context.generated', key: `context.generated:${ask.key}`, scope: ask.scope, payload },
  }
}

/**
 * The context that a task has at its first turn opens its first message, where it is new to the conversation. A later one
 * never changes that message, which would empty the model's cache: it is told to the model at its next turn.
 */
async function useContext(attempt: Attempt, made: Made): Promise<void> {
  if (attempt.task.turn === 0) {
    await pinContext(attempt, made.hash, [made.event])
    return
  }
  const text = `Notice: the project context was made anew. It replaces the one you were given.\n\n${made.markdown}`
  await addNotice(attempt, { id: newId('req'), lane: 'coder', key: `context:${attempt.lease}`, text }, [made.event])
}
