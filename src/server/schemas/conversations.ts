/** Conversations and their messages. */

import { z } from '@hono/zod-openapi'
import { MAX_FACT_CHARACTERS } from '../../shared/memory.ts'
import { oneLine } from '../../shared/text/one-line.ts'
import { nonBlankText } from '../text.ts'
import { ConversationParams, IdSchema, listOf, Time } from './fields.ts'
import { BudgetSchema } from './tasks.ts'

/** The path of a message. */
export const MessageParams = ConversationParams.extend({ messageId: IdSchema })

/** The longest message of a person. */
export const MAX_MESSAGE_CHARACTERS = 100_000

/** A message of a person, with what it asks for. */
export const ChatBody = z
  .strictObject({
    message: nonBlankText(MAX_MESSAGE_CHARACTERS),
    conversationId: IdSchema.optional(),
    clientMessageId: nonBlankText(128).optional(),
    delivery: z.enum(['steer', 'queue']).default('steer'),
    model: nonBlankText(200).optional(),
    forceRegenerateContext: z.boolean().default(false),
    budget: BudgetSchema.default({}),
    remember: nonBlankText(MAX_FACT_CHARACTERS)
      .transform((text) => oneLine(text))
      .optional()
      .openapi({
        description:
          'A fact that the project remembers from now on; a message whose first line begins with "remember:" does the same',
      }),
  })
  .openapi('ChatRequest')

/** The title of a new conversation. */
export const CreateConversationBody = z.strictObject({ title: nonBlankText(200).optional() })

/** A conversation. */
export const ConversationSchema = z
  .object({
    id: z.string(),
    projectId: z.string(),
    title: z.string(),
    activeTaskId: z.string().nullable(),
    forkedFrom: z.string().optional().openapi({ description: 'The checkpoint it was forked from' }),
    createdAt: Time,
    updatedAt: Time,
  })
  .openapi('Conversation')

/** Conversations, a page at a time. */
export const ConversationListSchema = listOf(ConversationSchema)

const MessageSchema = z
  .object({
    id: z.string(),
    conversationId: z.string(),
    taskId: z.string().nullable(),
    role: z.enum(['user', 'assistant', 'note']),
    text: z.string(),
    status: z.enum(['queued', 'claimed', 'streaming', 'completed', 'cancelled']),
    createdAt: Time,
    parts: z.array(z.object({ type: z.string() }).loose()),
  })
  .openapi('Message')

/** Messages, a page at a time. */
export const MessageListSchema = listOf(MessageSchema)

/** Where a message went, and where its stream begins. */
export const AcceptedSchema = z
  .object({
    taskId: z.string(),
    messageId: z.string(),
    conversationId: z.string(),
    projectId: z.string(),
    joined: z.boolean(),
    cursor: z.number(),
    eventsUrl: z.string(),
  })
  .openapi('Accepted')
