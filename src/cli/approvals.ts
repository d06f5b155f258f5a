/** What waits for a person, in the terminal: shown, and decided by `/answer`, `/approve` and `/deny` or when it comes up. */

import type { ApprovalAnswer } from './answers.ts'
import { ApiError } from './api.ts'
import { clean } from './clean-text.ts'
import { EXIT } from './exit-codes.ts'
import type { Session } from './session.ts'
import { UsageError } from './usage-error.ts'

interface Decision {
  readonly decision: 'approve' | 'deny' | 'answer'
  readonly answer?: string
  readonly note?: string
  readonly scope?: 'task' | 'project'
}

/** `/waiting`: everything that waits, over all projects. */
export async function waiting(session: Session): Promise<number> {
  const { items } = await session.api.insist<{ items: ApprovalAnswer[] }>('GET', '/api/approvals')
  if (session.options.json) session.writeJson(items)
  else if (items.length === 0) session.printer.note('Nothing waits for you.')
  for (const item of session.options.json ? [] : items) {
    session.printer.note(`${clean(item.id)} · ${clean(item.projectName)}`, 'dim')
    showApproval(session, item)
  }
  return EXIT.good
}

/** `/answer [ID] TEXT`; a number stands for the option in that place. */
export async function answer(session: Session, argument: string): Promise<number> {
  const { item, rest } = await choose(session, argument, 'question')
  if (rest === '') throw new UsageError('/answer takes the answer, or the number of an option.')
  return await decide(session, item, { decision: 'answer', answer: optionOf(item, rest) })
}

/** `/approve [ID] [task|always]`. */
export async function approve(session: Session, argument: string): Promise<number> {
  const { item, rest } = await choose(session, argument, 'approval')
  const scopes: Readonly<Record<string, Decision>> = {
    '': { decision: 'approve' },
    once: { decision: 'approve' },
    task: { decision: 'approve', scope: 'task' },
    always: { decision: 'approve', scope: 'project' },
  }
  const decision = Object.hasOwn(scopes, rest) ? scopes[rest] : undefined
  if (decision === undefined) throw new UsageError('/approve takes once, task or always, nothing else.')
  return await decide(session, item, decision)
}

/** `/deny [ID] [WHY]`; a question is left to the agent. */
export async function deny(session: Session, argument: string): Promise<number> {
  const { item, rest } = await choose(session, argument, 'any')
  return await decide(session, item, { decision: 'deny', ...(rest === '' ? {} : { note: rest }) })
}

/** The one that is named first, or the oldest of the project that fits. */
async function choose(
  session: Session,
  argument: string,
  wanted: 'question' | 'approval' | 'any',
): Promise<{ item: ApprovalAnswer; rest: string }> {
  const [, id = '', named = ''] = /^(apr_\w+)\s*([\s\S]*)$/.exec(argument) ?? []
  if (id !== '') {
    const item = await session.api.insist<ApprovalAnswer>('GET', `/api/approvals/${encodeURIComponent(id)}`)
    return { item, rest: named.trim() }
  }
  const path = `/api/approvals?projectId=${encodeURIComponent(session.project.id)}`
  const { items } = await session.api.insist<{ items: ApprovalAnswer[] }>('GET', path)
  const item = items.find(({ kind }) => wanted === 'any' || (kind === 'question') === (wanted === 'question'))
  if (item === undefined)
    throw new UsageError('Nothing of that kind waits in this project; /waiting lists what does elsewhere.')
  return { item, rest: argument.trim() }
}

function optionOf(item: Pick<ApprovalAnswer, 'options'>, text: string): string {
  const nth = /^\d+$/.test(text) ? item.options?.[Number(text) - 1] : undefined
  return nth ?? text
}

async function decide(session: Session, item: ApprovalAnswer, body: Decision): Promise<number> {
  const decided = await session.api.call<ApprovalAnswer>('POST', `/api/approvals/${encodeURIComponent(item.id)}`, body)
  if (session.options.json) session.writeJson(decided)
  else session.printer.note(`${clean(decided.title)}: ${decided.status}`, 'green')
  return EXIT.good
}

/** What is asked, with its choices. */
export function showApproval({ printer }: Session, item: Omit<ApprovalAnswer, 'id' | 'projectName' | 'status'>): void {
  printer.note(`? ${clean(item.question ?? item.title)}`, 'yellow')
  for (const [index, option] of (item.options ?? []).entries()) printer.note(`  ${index + 1}  ${clean(option)}`)
  for (const line of item.paths ?? []) printer.note(`  ${clean(line)}`)
  const after = item.default === undefined ? '' : `; then: ${clean(item.default)}`
  printer.note(`  until ${item.expiresAt.slice(0, 16).replace('T', ' ')} UTC${after}`, 'dim')
}

/**
 * Asks the person at the terminal about something that came up in the stream. Nothing typed leaves it waiting; what the
 * server does not take is shown and asked again, at most three times. True when nothing is open any more.
 */
export async function askAtTerminal(session: Session, approvalId: string): Promise<boolean> {
  const { readLine } = session
  if (readLine === undefined) return false
  for (let tries = 0; tries < 3; tries++) {
    const item = await session.api.insist<ApprovalAnswer>('GET', `/api/approvals/${encodeURIComponent(approvalId)}`)
    if (item.status !== 'open') return true
    const isQuestion = item.kind === 'question'
    const text = await readLine(promptFor(item.kind))
    if (text === null || text.trim() === '') return false
    const body = isQuestion
      ? { decision: 'answer' as const, answer: optionOf(item, text.trim()) }
      : verdictOf(text.trim())
    if (body === null) continue
    try {
      await decide(session, item, body)
      return true
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      session.printer.note(clean(error.message), 'red')
    }
  }
  return false
}

function promptFor(kind: string): string {
  if (kind === 'question') return 'Your answer (Enter: later) › '
  return kind === 'publish' ? 'Publish? y or n (Enter: later) › ' : 'y, task, always or n (Enter: later) › '
}

function verdictOf(text: string): Decision | null {
  if (/^y(es)?$/i.test(text)) return { decision: 'approve' }
  if (/^task$/i.test(text)) return { decision: 'approve', scope: 'task' }
  if (/^always$/i.test(text)) return { decision: 'approve', scope: 'project' }
  const no = /^no?\b[\s,:]*([\s\S]*)$/i.exec(text)
  return no ? { decision: 'deny', ...(no[1] ? { note: no[1] } : {}) } : null
}
