import type { Db } from '../client.ts'
import { type Message, type MessageWithReply, messagesOfTurns } from '../project/conversations.ts'
import { query } from '../query.ts'

/** More turns than a reviewer is given. */
const MAX_TURNS = 100

/**
 * What the reviewer of a round said, and which calls it made with which results, oldest first; at most 100 turns. Empty for
 * a round that no reviewer was asked in.
 */
export async function listReviewerMessages(db: Db, taskId: string, round: number): Promise<Message[]> {
  const rows = await query<MessageWithReply>(
    db,
    `SELECT t.message_id AS id, k.conversation_id AS "conversationId", t.task_id AS "taskId", 'assistant' AS role, '' AS text,
         'completed' AS status, t.turn, t.started_at AS "createdAt", t.reply_content AS "replyContent"
       FROM turns t JOIN tasks k ON k.id = t.task_id
       WHERE t.task_id = $1 AND t.lane = $2 AND t.reply_content IS NOT NULL ORDER BY t.turn LIMIT $3`,
    [taskId, `reviewer/${round}`, MAX_TURNS],
  )
  return await messagesOfTurns(db, rows)
}
