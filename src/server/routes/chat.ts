import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { savedCriteria } from '../../db/review/criteria.ts'
import { type AcceptedMessage, acceptMessage } from '../../db/task/accept-message.ts'
import { eventFrame } from '../../events/frame.ts'
import { hitCrashPoint } from '../../shared/crash-points.ts'
import type { AppDeps } from '../deps.ts'
import { follow } from '../follow.ts'
import { addRoute } from '../route.ts'
import { AcceptedSchema, ChatBody } from '../schemas/conversations.ts'
import { ProjectParams } from '../schemas/fields.ts'
import { EnvelopeSchema } from '../schemas/installation.ts'
import type { SsePlace } from '../sse.ts'

/**
 * The main call. The message is committed, then answered: with the task's stream, whose first event comes from the
 * transaction's own result, or with 202 and where to read it. Temporal is told without the answer waiting for it.
 */
export function addChatRoute(app: OpenAPIHono, deps: AppDeps): void {
  addRoute(
    app,
    {
      method: 'post',
      path: '/api/workspace/{projectId}/claude/chat',
      summary: 'Send a message: it joins the running task of the conversation or starts one',
      tag: 'chat',
      params: ProjectParams,
      body: ChatBody,
      responses: {
        200: { description: 'The stream of the task', schema: EnvelopeSchema, mediaType: 'text/event-stream' },
        202: { description: 'Accepted (with Accept: application/json)', schema: AcceptedSchema },
      },
    },
    async ({ c, params, body }) => {
      const model = body.model ?? deps.settings.model.name
      deps.checkModel(model)
      // Before the commit: a caller that is told to come back later must not find its message stored.
      const place = wantsJson(c) ? undefined : deps.sse.reserve()
      try {
        const criteria = (await savedCriteria(deps.db, params.projectId)) ?? deps.settings.defaultCriteria
        const accepted = await acceptMessage(deps.db, {
          projectId: params.projectId,
          conversationId: body.conversationId,
          text: body.message,
          remember: body.remember,
          clientMessageId: body.clientMessageId,
          delivery: body.delivery,
          model,
          forceRegenerateContext: body.forceRegenerateContext,
          budget: definedOnly(body.budget),
          defaultBudget: deps.settings.defaultBudget,
          maxFixRounds: criteria.maxFixRounds,
        })
        hitCrashPoint('accept.after_commit')
        deps.dispatcher.kick()
        return place === undefined ? answerJson(c, accepted) : answerStream(c, deps, accepted, place)
      } finally {
        place?.release()
      }
    },
  )
}

function answerJson(c: Context, accepted: AcceptedMessage): Response {
  const { taskId, messageId, conversationId, projectId, joined, cursor } = accepted
  const eventsUrl = `/api/tasks/${taskId}/events?after=${cursor}`
  const body = { taskId, messageId, conversationId, projectId, joined, cursor, eventsUrl }
  return c.json(body, 202, idHeaders(accepted))
}

function answerStream(c: Context, deps: AppDeps, accepted: AcceptedMessage, place: SsePlace): Response {
  const { projectId, taskId } = accepted
  const latestSeq = (): number => deps.hub.lastSeqOf(projectId)
  const opened = { projectId, taskId, latestSeq, headers: idHeaders(accepted) }
  const { connection, response } = deps.sse.open(c, opened, place)
  const own = accepted.events.filter((event) => event.taskId === taskId)
  for (const event of own) connection.send(eventFrame(event))
  // A repeated call stored nothing: its stream is read from where the first call's began.
  const after = accepted.events.at(-1)?.seq ?? accepted.cursor
  void follow(deps, connection, { projectId, taskId, after })
  return response
}

function idHeaders(accepted: AcceptedMessage): Record<string, string> {
  return { 'x-keelson-task-id': accepted.taskId, 'x-keelson-message-id': accepted.messageId }
}

/** The stream is the default; JSON is for who asks for it and not for a stream as well. */
function wantsJson(c: Context): boolean {
  const accept = (c.req.header('accept') ?? '').toLowerCase()
  return accept.includes('application/json') && !accept.includes('text/event-stream')
}

function definedOnly<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> }
}
