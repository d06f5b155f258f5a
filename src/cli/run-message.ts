import { randomUUID } from 'node:crypto'
import { isTerminalType, type StreamEvent } from '../events/topics.ts'
import { ApiError } from './api.ts'
import { askAtTerminal } from './approvals.ts'
import { clean } from './clean-text.ts'
import { EXIT } from './exit-codes.ts'
import { offerChange } from './here/offer-change.ts'
import type { ChatOptions } from './options.ts'
import type { Session } from './session.ts'
import { postMessage } from './task-stream.ts'

const GOOD_OUTCOMES = new Set(['approved', 'approved_with_notes', 'no_changes'])

/** Posts a message, shows its task to the end and returns the exit code. Throws {@link ApiError}. */
export async function runMessage(session: Session, message: string): Promise<number> {
  const { api, options, printer, project, conversationId } = session
  const leave = new AbortController()
  const { taskId, events } = await postMessage(
    api,
    project.id,
    {
      message,
      clientMessageId: randomUUID(),
      ...(conversationId === undefined ? {} : { conversationId }),
      ...(options.model === undefined ? {} : { model: options.model }),
    },
    leave.signal,
  )
  printer.note(`${clean(project.name)} · ${taskId}`, 'dim')
  let stopListening = cancelOnInterrupt(session, taskId, leave)
  try {
    let end: StreamEvent | undefined
    for await (const event of events) {
      if (options.json) session.writeJson(event)
      else printer.print(event)
      if (isTerminalType(event.type)) end = event
      if (event.type !== 'approval.requested' || session.readLine === undefined) continue
      // The prompt reads the keys itself.
      stopListening()
      await askAtTerminal(session, event.approvalId)
      stopListening = cancelOnInterrupt(session, taskId, leave)
    }
    if (!options.json && end !== undefined && isWorkOfRepository(session, end)) {
      printer.note('  /publish pr, or keelson publish --pr, opens a pull request of it.', 'dim')
    }
    if (session.directory !== undefined) await offerChange(session, session.directory, taskId)
    return end === undefined ? await exitCodeByTask(session, taskId) : exitCodeOf(end, options)
  } catch (error) {
    if (leave.signal.aborted) return EXIT.cancelled
    throw error
  } finally {
    stopListening()
  }
}

/** Whether a task left a change that its project's repository could be given. */
function isWorkOfRepository({ project }: Session, end: StreamEvent): boolean {
  return project.source.kind === 'git' && end.type === 'task.completed' && end.diffStat.files > 0
}

/** The first Ctrl-C asks for the task's end and goes on showing it, so that its confirmation is seen; the second leaves. */
function cancelOnInterrupt(session: Session, taskId: string, leave: AbortController): () => void {
  let isAsked = false
  return session.onInterrupt(() => {
    if (isAsked) {
      leave.abort()
      return
    }
    isAsked = true
    const reason = 'Cancelled from the terminal.'
    session.api.insist('POST', `/api/tasks/${taskId}/cancel`, { reason }).catch((error: unknown) => {
      if (error instanceof ApiError && error.code === 'task_over') return
      const why = error instanceof Error ? error.message : String(error)
      session.printer.note(`The task could not be cancelled: ${clean(why)}`, 'red')
    })
  })
}

function exitCodeOf(end: StreamEvent, options: ChatOptions): number {
  if (end.type === 'task.cancelled') return EXIT.cancelled
  return end.type === 'task.completed' ? exitCodeByOutcome(end.outcome, options) : EXIT.bad
}

/** For a stream that could not be read to its end. */
async function exitCodeByTask({ api, options }: Session, taskId: string): Promise<number> {
  const task = await api.insist<{ status: string; outcome?: string }>('GET', `/api/tasks/${taskId}`)
  if (task.status === 'cancelled') return EXIT.cancelled
  return task.status === 'completed' ? exitCodeByOutcome(task.outcome ?? '', options) : EXIT.bad
}

function exitCodeByOutcome(outcome: string, options: ChatOptions): number {
  const isGood = options.expectApproved ? outcome === 'approved' : GOOD_OUTCOMES.has(outcome)
  return isGood ? EXIT.good : EXIT.bad
}
