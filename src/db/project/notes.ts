import { newId } from '../../shared/ids.ts'
import type { Tx } from '../transaction.ts'

/** Adds a note to a conversation, for people, with its events; `taskId` when a task's stream shows it. Not safe to repeat. */
export async function addNote(
  tx: Tx,
  {
    conversationId,
    text,
    taskId = null,
  }: { readonly conversationId: string; readonly text: string; readonly taskId?: string | null },
): Promise<void> {
  const messageId = newId('msg')
  const projectId = tx.project.id
  await tx.query(
    `INSERT INTO messages (id, project_id, conversation_id, task_id, role, text, status)
     VALUES ($1, $2, $3, $4, 'note', $5, 'completed')`,
    [messageId, projectId, conversationId, taskId, text],
  )
  await tx.query('UPDATE conversations SET updated_at = now() WHERE id = $1', [conversationId])
  const scope = { projectId, conversationId, taskId }
  const parts = [{ partId: `${messageId}:0`, type: 'text' as const, text }]
  tx.emit(
    {
      type: 'message.created',
      key: `message.created:${messageId}`,
      scope,
      payload: { messageId, role: 'note', text },
    },
    {
      type: 'message.completed',
      key: `message.completed:${messageId}`,
      scope,
      payload: { messageId, role: 'note', parts, complete: false },
    },
  )
}
