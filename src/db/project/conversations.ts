import type { AssistantBlock } from '../../model/types.ts'
import { newId } from '../../shared/ids.ts'
import { noSuch } from '../../shared/refusals.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'
import { requireOwnProject } from '../task/require-own-project.ts'
import { inProject } from '../transaction.ts'
import { type Page, toPage } from './projects.ts'

/** The title of a conversation that nobody named. */
export const UNTITLED = 'New conversation'

/** A conversation of a project, as it is stored. */
export interface Conversation {
  readonly id: string
  readonly projectId: string
  readonly title: string
  readonly activeTaskId: string | null
  /** The checkpoint it was forked from. */
  readonly forkedFrom: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
}

const CONVERSATION_COLUMNS = `
  c.id, c.project_id AS "projectId", c.title, c.forked_from AS "forkedFrom", c.created_at AS "createdAt",
  c.updated_at AS "updatedAt",
  (SELECT t.id FROM tasks t WHERE t.conversation_id = c.id AND t.status NOT IN ('completed', 'failed', 'cancelled')
   ORDER BY t.position LIMIT 1) AS "activeTaskId"`

/** Throws `not_found`. */
export async function getConversation(db: Db, conversationId: string): Promise<Conversation> {
  const text = `
    SELECT ${CONVERSATION_COLUMNS} FROM conversations c JOIN projects p ON p.id = c.project_id AND p.deleted_at IS NULL
    WHERE c.id = $1`
  const rows = await query<Conversation>(db, text, [conversationId])
  if (!rows[0]) throw noSuch('conversation')
  return rows[0]
}

/** Oldest first; `after` is a conversation id. */
export async function listConversations(
  db: Db,
  projectId: string,
  options: { after?: string | undefined; limit: number },
): Promise<Page<Conversation>> {
  const text = `
    SELECT ${CONVERSATION_COLUMNS} FROM conversations c
    WHERE c.project_id = $1 AND ($2::text IS NULL OR c.id > $2) ORDER BY c.id LIMIT $3`
  const rows = await query<Conversation>(db, text, [projectId, options.after ?? null, options.limit + 1])
  return toPage(rows, options.limit, (conversation) => conversation.id)
}

/** An empty conversation. Throws `not_found`, and `is_alternative` for the project of a try. Not idempotent. */
export async function createConversation(db: Db, projectId: string, title: string): Promise<Conversation> {
  const id = newId('cnv')
  await inProject(db, projectId, async (tx) => {
    requireOwnProject(tx)
    await tx.query('INSERT INTO conversations (id, project_id, title) VALUES ($1, $2, $3)', [id, projectId, title])
  })
  return await getConversation(db, id)
}

/** A part of an assistant's message: its words, its thinking, or a call of a tool with what came of it. */
export type StoredMessagePart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'thinking'; readonly text: string }
  | {
      readonly type: 'tool'
      readonly toolUseId: string
      readonly name: string
      readonly input: unknown
      readonly status: 'requested' | 'started' | 'finished'
      readonly result: string | null
      readonly isError: boolean
      readonly durationMs: number | null
    }

/** A message with its parts; `parts` is empty for what people wrote and for notes. */
export interface Message {
  readonly id: string
  readonly conversationId: string
  readonly taskId: string | null
  readonly role: 'user' | 'assistant' | 'note'
  readonly text: string
  readonly status: 'queued' | 'claimed' | 'streaming' | 'completed' | 'cancelled'
  readonly turn: number | null
  readonly createdAt: Date
  readonly parts: readonly StoredMessagePart[]
}

/** A message with the reply that it is made of. */
export interface MessageWithReply {
  id: string
  conversationId: string
  taskId: string | null
  role: Message['role']
  text: string
  status: Message['status']
  turn: number | null
  createdAt: Date
  replyContent: string | null
}

interface CallRow {
  taskId: string
  toolUseId: string
  status: 'requested' | 'started' | 'finished'
  result: string | null
  isError: boolean
  durationMs: number | null
}

type Order = 'oldest' | 'newest'

/** A fork shows what it inherited as its own; those messages are older than any of its own. */
function selectMessages(order: Order): string {
  const [than, direction] = order === 'oldest' ? ['>', 'ASC'] : ['<', 'DESC']
  const after = `
    ($2::text IS NULL OR m.position ${than} (SELECT a.position FROM messages a WHERE a.id = $2 AND (a.conversation_id = $1
      OR EXISTS (SELECT 1 FROM inherited_messages h WHERE h.conversation_id = $1 AND h.message_id = a.id))))
    ORDER BY m.position ${direction} LIMIT $3`
  return `
    SELECT m.id, $1 AS "conversationId", m.task_id AS "taskId", m.role, m.text, m.status,
      m.turn, m.created_at AS "createdAt", t.reply_content AS "replyContent"
    FROM (
      (SELECT m.* FROM inherited_messages h JOIN messages m ON m.id = h.message_id
       WHERE h.conversation_id = $1 AND ${after})
      UNION ALL
      (SELECT m.* FROM messages m WHERE m.conversation_id = $1 AND ${after})) m
    LEFT JOIN turns t ON t.task_id = m.task_id AND t.turn = m.turn AND m.role = 'assistant'
    ORDER BY m.position ${direction} LIMIT $3`
}

const SELECT_MESSAGES = { oldest: selectMessages('oldest'), newest: selectMessages('newest') } as const

/**
 * Oldest first unless `order` says otherwise, each assistant message with its tool calls and their results; `after` is a
 * message id. Newest first, messages that come in between two pages change neither.
 */
export async function listMessages(
  db: Db,
  conversationId: string,
  options: { after?: string | undefined; limit: number; order?: Order },
): Promise<Page<Message>> {
  const rows = await query<MessageWithReply>(db, SELECT_MESSAGES[options.order ?? 'oldest'], [
    conversationId,
    options.after ?? null,
    options.limit + 1,
  ])
  return toPage(await messagesOfTurns(db, rows), options.limit, (message) => message.id)
}

/** The messages with their parts, the results of their calls included. */
export async function messagesOfTurns(db: Db, rows: readonly MessageWithReply[]): Promise<Message[]> {
  const calls = await callsOf(db, rows)
  return rows.map((row) => toMessage(row, calls))
}

async function callsOf(db: Db, rows: readonly MessageWithReply[]): Promise<Map<string, CallRow>> {
  const answers = rows.filter((row) => row.role === 'assistant' && row.taskId !== null)
  if (answers.length === 0) return new Map()
  const calls = await query<CallRow>(
    db,
    `SELECT c.task_id AS "taskId", c.tool_use_id AS "toolUseId", c.status, c.result, c.is_error AS "isError",
       c.duration_ms AS "durationMs"
     FROM tool_calls c JOIN unnest($1::text[], $2::int[]) AS wanted (task_id, turn)
       ON c.task_id = wanted.task_id AND c.turn = wanted.turn`,
    [answers.map((row) => row.taskId), answers.map((row) => row.turn)],
  )
  return new Map(calls.map((call) => [`${call.taskId}/${call.toolUseId}`, call]))
}

function toMessage(row: MessageWithReply, calls: ReadonlyMap<string, CallRow>): Message {
  const { replyContent, ...message } = row
  const blocks = replyContent === null ? [] : (JSON.parse(replyContent) as AssistantBlock[])
  const parts = blocks.flatMap((block) => toPart(block, row.taskId, calls))
  return { ...message, parts: parts.length > 0 || row.text === '' ? parts : [{ type: 'text', text: row.text }] }
}

function toPart(
  block: AssistantBlock,
  taskId: string | null,
  calls: ReadonlyMap<string, CallRow>,
): StoredMessagePart[] {
  if (block.type === 'text') return [{ type: 'text', text: block.text }]
  if (block.type === 'thinking') return block.thinking === '' ? [] : [{ type: 'thinking', text: block.thinking }]
  if (block.type === 'redacted_thinking') return []
  const call = calls.get(`${taskId}/${block.id}`)
  return [
    {
      type: 'tool',
      toolUseId: block.id,
      name: block.name,
      input: block.input,
      status: call?.status ?? 'requested',
      result: call?.result ?? null,
      isError: call?.isError ?? false,
      durationMs: call?.durationMs ?? null,
    },
  ]
}
