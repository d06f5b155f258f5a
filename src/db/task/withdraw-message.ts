import { messageClaimed, noSuch } from '../../shared/refusals.ts'
import type { Db } from '../client.ts'
import { getConversation } from '../project/conversations.ts'
import { inProject } from '../transaction.ts'
import { addToOutbox } from './accept-message.ts'

interface QueuedRow {
  status: 'queued' | 'claimed' | 'streaming' | 'completed' | 'cancelled'
  taskId: string
  /** It made its task, or is what its task goes on with after another one ended early. */
  isFirst: boolean
}

const SELECT_MESSAGE = `
  SELECT m.status, m.task_id AS "taskId",
    m.id = (SELECT f.id FROM messages f WHERE f.task_id = m.task_id AND f.role = 'user' ORDER BY f.position LIMIT 1)
      AS "isFirst"
  FROM messages m WHERE m.id = $1 AND m.conversation_id = $2 AND m.role = 'user'`

/**
 * Takes back a user message that joined a task and that no turn has claimed: the model never reads it, every reader of the
 * stream is told, and the task ends when nothing else holds it. What its `remember:` lines said stays remembered. Throws
 * `not_found` (conversation, or none of its user messages), and `message_claimed` when the model has it already or when it
 * began its task, which is cancelled instead. Safe to repeat: a message that is cancelled already stays so. Claiming takes
 * the same lock, so exactly one of both happens.
 */
export async function withdrawMessage(db: Db, at: { conversationId: string; messageId: string }): Promise<void> {
  const { id: conversationId, projectId } = await getConversation(db, at.conversationId)
  const { messageId } = at
  await inProject(db, projectId, async (tx) => {
    const [message] = await tx.query<QueuedRow>(SELECT_MESSAGE, [messageId, conversationId])
    if (message === undefined) throw noSuch('message', 'in this conversation')
    const { status, taskId, isFirst } = message
    if (status === 'cancelled') return
    if (status !== 'queued') throw messageClaimed(taskId, { hasBegunTask: false })
    if (isFirst) throw messageClaimed(taskId, { hasBegunTask: true })
    await tx.query("UPDATE messages SET status = 'cancelled' WHERE id = $1", [messageId])
    tx.emit({
      type: 'message.withdrawn',
      key: `message.withdrawn:${messageId}`,
      scope: { projectId, conversationId, taskId },
      payload: { messageId },
    })
    // A task that waits for a larger budget only to answer this message must look again.
    await addToOutbox(tx, { kind: 'wake', projectId, taskId })
  })
}
