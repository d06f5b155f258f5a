import type { OpenAPIHono } from '@hono/zod-openapi'
import {
  createConversation,
  getConversation,
  listConversations,
  listMessages,
  UNTITLED,
} from '../../db/project/conversations.ts'
import { getProject } from '../../db/project/projects.ts'
import { withdrawMessage } from '../../db/task/withdraw-message.ts'
import type { AppDeps } from '../deps.ts'
import { presentConversation, presentMessage, presentPage } from '../present.ts'
import { addRoute } from '../route.ts'
import {
  ConversationListSchema,
  ConversationSchema,
  CreateConversationBody,
  MessageListSchema,
  MessageParams,
} from '../schemas/conversations.ts'
import { ConversationParams, OrderedPageQuery, PageQuery, ProjectParams } from '../schemas/fields.ts'

/** Conversations of a project and their messages. */
export function addConversationRoutes(app: OpenAPIHono, deps: AppDeps): void {
  const { db } = deps
  const ofProject = { path: '/api/workspace/{projectId}/conversations', tag: 'conversations', params: ProjectParams }

  addRoute(
    app,
    {
      ...ofProject,
      method: 'get',
      summary: 'List the conversations, oldest first',
      query: PageQuery,
      responses: { 200: { description: 'A page of conversations', schema: ConversationListSchema } },
    },
    async ({ c, params, query }) => {
      await getProject(db, params.projectId)
      return c.json(presentPage(await listConversations(db, params.projectId, query), presentConversation))
    },
  )
  addRoute(
    app,
    {
      ...ofProject,
      method: 'post',
      summary: 'Begin a conversation',
      body: CreateConversationBody,
      responses: { 201: { description: 'The conversation', schema: ConversationSchema } },
    },
    async ({ c, params, body }) => {
      await getProject(db, params.projectId)
      const conversation = await createConversation(db, params.projectId, body.title ?? UNTITLED)
      return c.json(presentConversation(conversation), 201)
    },
  )
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/conversations/{conversationId}/messages',
      summary: 'List the messages with their parts, oldest first or newest first',
      tag: 'conversations',
      params: ConversationParams,
      query: OrderedPageQuery,
      responses: { 200: { description: 'A page of messages', schema: MessageListSchema } },
    },
    async ({ c, params, query }) => {
      const { id } = await getConversation(db, params.conversationId)
      return c.json(presentPage(await listMessages(db, id, query), presentMessage))
    },
  )
  addRoute(
    app,
    {
      method: 'delete',
      path: '/api/conversations/{conversationId}/messages/{messageId}',
      summary: 'Take back a queued message that joined a task; 409 message_claimed once the agent has read it',
      tag: 'conversations',
      params: MessageParams,
      responses: { 204: { description: 'The agent will not read it; the same when it is asked for again' } },
    },
    async ({ c, params }) => {
      await withdrawMessage(db, params)
      deps.dispatcher.kick()
      return c.body(null, 204)
    },
  )
}
