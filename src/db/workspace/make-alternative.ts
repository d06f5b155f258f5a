import type { NewEvent } from '../../events/topics.ts'
import type { Criteria } from '../../shared/review.ts'
import type { Db } from '../client.ts'
import type { ProjectSource } from '../project/projects.ts'
import { noReview } from '../task/accept-message.ts'
import { type Comparison, MAX_REQUESTS, type PlannedAlternative } from '../task/comparisons.ts'
import { inProject, type Tx } from '../transaction.ts'
import { createFork } from './forks.ts'

const MAX_NAME_CHARACTERS = 180

/**
 * Makes the project of an alternative: the files of the checkpoint before the task, the conversation up to there, what
 * the project's commands run in and what it remembers, by copy; `criteria` in the place of the project's when given. Throws
 * `not_found`. Safe to repeat: the ids were decided with the comparison.
 */
export async function makeAlternative(
  db: Db,
  comparison: Comparison,
  item: PlannedAlternative,
  criteria: Criteria | null,
): Promise<void> {
  await inProject(db, comparison.projectId, (tx) => copyProject(tx, comparison, item, criteria))
  await inProject(db, item.projectId, (tx) => acceptRequest(tx, comparison, item))
}

async function copyProject(
  tx: Tx,
  { projectId: origin, checkpointId }: Comparison,
  { projectId, conversationId, index }: PlannedAlternative,
  criteria: Criteria | null,
): Promise<void> {
  const source: ProjectSource = { kind: 'fork', checkpointId, projectId: origin, fromCheckpoint: true }
  await tx.query(
    `INSERT INTO projects (id, name, source, sandbox_provider, budget, alternative_of)
     SELECT $2::text, left(name, ${MAX_NAME_CHARACTERS}) || $3::text, $4::text, sandbox_provider, budget, id
     FROM projects WHERE id = $1 ON CONFLICT (id) DO NOTHING`,
    [origin, projectId, ` (alternative ${index})`, JSON.stringify(source)],
  )
  await tx.query(
    `INSERT INTO environments (project_id, version, body)
     SELECT $2, version, body FROM environments WHERE project_id = $1 ORDER BY version DESC LIMIT 1 ON CONFLICT DO NOTHING`,
    [origin, projectId],
  )
  await tx.query(
    `INSERT INTO project_memories (project_id, version, facts)
     SELECT $2, version, facts FROM project_memories WHERE project_id = $1 ON CONFLICT DO NOTHING`,
    [origin, projectId],
  )
  if (criteria === null) {
    await tx.query(
      `INSERT INTO review_criteria (project_id, version, body)
       SELECT $2, version, body FROM review_criteria WHERE project_id = $1 ORDER BY version DESC LIMIT 1
       ON CONFLICT DO NOTHING`,
      [origin, projectId],
    )
  } else {
    await tx.query(
      'INSERT INTO review_criteria (project_id, version, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
      [projectId, criteria.version, JSON.stringify(criteria)],
    )
  }
  await createFork(tx, { projectId, conversationId, title: `Alternative ${index}`, checkpointId })
}

interface Request {
  id: string
  text: string
  delivery: 'steer' | 'queue' | null
}

/** The task with the messages of the one it is an alternative to. Its workflow is started by that of the comparison, so the outbox is told nothing. */
async function acceptRequest(tx: Tx, { id, taskId: origin }: Comparison, item: PlannedAlternative): Promise<void> {
  const { projectId, conversationId, taskId } = item
  const [task] = await tx.query<{ review: string }>('SELECT review FROM tasks WHERE id = $1', [origin])
  const { maxFixRounds } = JSON.parse(task?.review ?? '{"maxFixRounds":0}') as { maxFixRounds: number }
  const [made] = await tx.query(
    `INSERT INTO tasks (id, project_id, conversation_id, status, model, max_usd, max_turns, max_minutes, review)
     SELECT $2::text, $3::text, $4::text, 'accepted', $5::text, max_usd, max_turns, max_minutes, $6::text
     FROM tasks WHERE id = $1 ON CONFLICT (id) DO NOTHING RETURNING id`,
    [origin, taskId, projectId, conversationId, item.model, JSON.stringify(noReview(maxFixRounds))],
  )
  if (made === undefined) return
  const requests = await tx.query<Request>(
    `SELECT id, text, delivery FROM messages WHERE task_id = $1 AND role = 'user' AND status <> 'cancelled'
     ORDER BY position LIMIT ${MAX_REQUESTS}`,
    [origin],
  )
  const scope = { projectId, conversationId, taskId }
  for (const [at, { text, delivery }] of requests.entries()) {
    const messageId = `msg_${id}.${item.index}.${at}`
    tx.emit(...acceptedEvents(scope, { messageId, text, isFirst: at === 0, delivery: delivery ?? 'steer' }))
    const [first] = await tx.flush()
    await tx.query(
      `INSERT INTO messages (id, project_id, conversation_id, task_id, role, text, status, delivery, accepted_seq)
       VALUES ($1, $2, $3, $4, 'user', $5, 'queued', $6, $7)`,
      [messageId, projectId, conversationId, taskId, text, delivery ?? 'steer', first?.seq ?? null],
    )
  }
  await tx.query('UPDATE projects SET active_task_id = $2 WHERE id = $1', [projectId, taskId])
}

function acceptedEvents(
  scope: { readonly projectId: string; readonly conversationId: string; readonly taskId: string },
  {
    messageId,
    text,
    isFirst,
    delivery,
  }: { messageId: string; text: string; isFirst: boolean; delivery: 'steer' | 'queue' },
): NewEvent[] {
  return [
    { type: 'task.accepted', key: `task.accepted:${messageId}`, scope, payload: { messageId, joined: !isFirst } },
    { type: 'message.created', key: `message.created:${messageId}`, scope, payload: { messageId, role: 'user', text } },
    ...(isFirst
      ? []
      : [
          {
            type: 'message.queued' as const,
            key: `message.queued:${messageId}`,
            scope,
            payload: { messageId, delivery },
          },
        ]),
  ]
}
