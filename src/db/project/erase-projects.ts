import type { Db } from '../client.ts'
import { query } from '../query.ts'

/** A sweep's share; the next one goes on. */
const MAX_PROJECTS = 20

/**
 * Deleted long enough ago, its sandbox gone, nothing running, its history told in no conversation of a project that is still
 * there, and not erased yet: an erased project has no name.
 */
const DUE = `
  SELECT p.id FROM projects p
  WHERE p.deleted_at <= now() - $1 * interval '1 day' AND p.name <> '' AND ($3::text[] IS NULL OR p.id = ANY($3))
    AND NOT EXISTS (SELECT 1 FROM sandboxes s WHERE s.project_id = p.id)
    AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.project_id = p.id AND t.finished_at IS NULL)
    AND NOT EXISTS (
      SELECT 1 FROM inherited_tasks i JOIN tasks t ON t.id = i.task_id AND t.project_id = p.id
        JOIN conversations c ON c.id = i.conversation_id JOIN projects o ON o.id = c.project_id
      WHERE o.id <> p.id AND o.deleted_at IS NULL)
    AND NOT EXISTS (
      SELECT 1 FROM inherited_messages i JOIN messages m ON m.id = i.message_id AND m.project_id = p.id
        JOIN conversations c ON c.id = i.conversation_id JOIN projects o ON o.id = c.project_id
      WHERE o.id <> p.id AND o.deleted_at IS NULL)
  ORDER BY p.deleted_at LIMIT $2`

const OF_ITS_TASKS = 'task_id IN (SELECT id FROM tasks WHERE project_id = $1)'
const OF_ITS_CONVERSATIONS = 'conversation_id IN (SELECT id FROM conversations WHERE project_id = $1)'

/** Tables whose rows go with their project; what else names one is kept, without texts, for figures. */
export const ERASED_BY_PROJECT: readonly string[] =
  'events messages outbox project_contexts project_memories review_criteria restores sandbox_checkpoints sandbox_losses forked_files project_locks environments setups declined_proposals approvals publications services comparisons'.split(
    ' ',
  )
const BY_TASK = 'notices compactions task_summaries task_memories'
const BY_CONVERSATION = 'inherited_tasks inherited_messages'

/** What people and models wrote goes; rows that figures are computed from stay without their texts. The name goes last. */
const ERASURES = [
  ...ERASED_BY_PROJECT.map((table) => `DELETE FROM ${table} WHERE project_id = $1`),
  ...BY_TASK.split(' ').map((table) => `DELETE FROM ${table} WHERE ${OF_ITS_TASKS}`),
  ...BY_CONVERSATION.split(' ').map((table) => `DELETE FROM ${table} WHERE ${OF_ITS_CONVERSATIONS}`),
  `DELETE FROM services WHERE project_id = $1`,
  `UPDATE turns SET user_content = '[]', reply_content = CASE WHEN reply_content IS NULL THEN NULL ELSE '[]' END
   WHERE ${OF_ITS_TASKS}`,
  `UPDATE tool_calls SET input = '{}', effect = NULL, result = NULL WHERE ${OF_ITS_TASKS}`,
  `UPDATE review_rounds SET checks = NULL, summary = NULL WHERE ${OF_ITS_TASKS}`,
  `UPDATE findings SET file = NULL, claim = '', evidence = '', scenario = NULL, demoted_why = NULL, human_reason = NULL
   WHERE project_id = $1`,
  `UPDATE checkpoints SET label = '' WHERE project_id = $1`,
  `UPDATE tasks SET reason_message = NULL, cancel_reason = NULL, plan = NULL WHERE project_id = $1`,
  `UPDATE publications SET title = '', body = '', request = '{}', branch = '', error_message = NULL WHERE project_id = $1`,
  `UPDATE conversations SET title = '' WHERE project_id = $1`,
  `UPDATE projects SET name = '', source = '{"kind":"empty"}', source_report = NULL WHERE id = $1`,
]

/**
 * Erases what was said and done in projects that were deleted more than `days` ago (of `only` these, when given), at most 20 a call, and returns how many
 * it erased; their figures (tokens, costs, durations, outcomes) stay. Each statement stands for itself and the project's
 * name goes last, so a call that fails (`store_unavailable`) is made good by the next one. Safe to repeat, also by several at once.
 */
export async function eraseDeletedProjects(
  db: Db,
  days: number,
  only: readonly string[] | null = null,
): Promise<number> {
  const rows = await query<{ id: string }>(db, DUE, [days, MAX_PROJECTS, only])
  for (const { id } of rows) for (const text of ERASURES) await query(db, text, [id])
  return rows.length
}
