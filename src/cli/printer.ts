import { StringDecoder } from 'node:string_decoder'
import type { StreamEvent } from '../events/topics.ts'
import type { BudgetMark } from '../shared/budget.ts'
import { EVIDENCE_WORDS } from '../shared/evidence.ts'
import { type LeftOut, leftOutText } from '../shared/left-out.ts'
import type { Evidence, EvidenceGap } from '../shared/review.ts'
import type { Outcome } from '../shared/task.ts'
import { shorten } from '../shared/text/one-line.ts'
import { clean, cleanLine, createCleaner } from './clean-text.ts'

const COLORS = { dim: 2, bold: 1, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 } as const
type Color = keyof typeof COLORS

/** What is shown of a tool's result; the whole is in the page and the API. */
const RESULT_LINES = 6
const LINE_CHARACTERS = 160

/** Shows what happens, on standard output. Neither call throws for what an event holds. */
export interface Printer {
  print(event: StreamEvent): void
  /** A line of the client's own. */
  note(text: string, color?: Color): void
}

/** A part whose text is written as it arrives. */
interface Growing {
  /** Units (text) or bytes (output) that were written. */
  length: number
  write(piece: string | Uint8Array): void
}

/**
 * Writes a task's events for people: what the agent says as it says it, one line for each step. Everything that models,
 * files or commands say is stripped of control sequences. Seeing an event or a delta twice prints it once.
 */
export function createPrinter(write: (text: string) => void, options: { color: boolean }): Printer {
  const paint = (text: string, color?: Color): string =>
    options.color && color !== undefined && text !== '' ? `\x1b[${COLORS[color]}m${text}\x1b[0m` : text
  const growing = new Map<string, Growing>()
  const shownMessages = new Set<string>()
  let isLineOpen = false
  /** Whether a part of the reply under way was printed already. */
  let hasBegun = false

  const endLine = (): void => {
    if (isLineOpen) write('\n')
    isLineOpen = false
  }
  const line = (text: string, color?: Color): void => {
    endLine()
    write(`${paint(text, color)}\n`)
  }
  const stream = (text: string, color?: Color): void => {
    if (text === '') return
    write(paint(text, color))
    isLineOpen = !text.endsWith('\n')
  }

  const grow = (key: string, color?: Color): Growing => {
    const known = growing.get(key)
    if (known !== undefined) return known
    endLine()
    const cleaner = createCleaner()
    const decoder = new StringDecoder('utf8')
    const made: Growing = {
      length: 0,
      write: (piece) => {
        made.length += piece.length
        stream(cleaner(typeof piece === 'string' ? piece : decoder.write(Buffer.from(piece))), color)
      },
    }
    growing.set(key, made)
    return made
  }

  /** Writes what lies beyond what was written; a hole waits for the closing event. */
  const extend = (key: string, offset: number, piece: string | Uint8Array, color?: Color): void => {
    const part = grow(key, color)
    const known = part.length - offset
    if (known < 0 || known >= piece.length) return
    part.write(piece.slice(known))
  }

  const closeMessage = (event: Extract<StreamEvent, { type: 'message.completed' }>): void => {
    if (event.role === 'user') return
    if (!shownMessages.has(event.messageId)) {
      for (const part of event.parts) {
        if (part.type === 'text') extend(part.partId, 0, part.text, event.role === 'note' ? 'yellow' : undefined)
      }
    }
    shownMessages.add(event.messageId)
    hasBegun = false
    endLine()
    if (event.interrupted) line('  (interrupted)', 'dim')
  }

  const print = (event: StreamEvent): void => {
    switch (event.type) {
      case 'text.delta':
        hasBegun = true
        return extend(event.partId, event.offset, event.delta)
      case 'output':
        return extend(event.partId, event.offset, Buffer.from(event.data, 'base64'), 'dim')
      case 'message.completed':
        return closeMessage(event)
      case 'command.finished': {
        const part = growing.get(event.partId)
        if ((part?.length ?? 0) < event.bytes && !event.truncated) {
          extend(event.partId, 0, Buffer.from(event.output, 'base64'), 'dim')
        }
        const how = event.status === 'exited' ? `exit ${event.exitCode ?? '?'}` : event.status.replaceAll('_', ' ')
        return line(`  ${how} · ${duration(event.durationMs)}`, event.exitCode === 0 ? 'green' : 'red')
      }
      case 'turn.reset': {
        growing.clear()
        const why = hasBegun ? 'the answer broke off; ' : ''
        hasBegun = false
        return line(`  (${why}the model is asked again)`, 'yellow')
      }
      default: {
        const text = describe(event)
        if (text !== null) line(text.text, text.color)
      }
    }
  }
  return { print, note: line }
}

interface Described {
  readonly text: string
  readonly color?: Color
}

/** One line for an event that stands for itself; null for what needs none. */
function describe(event: StreamEvent): Described | null {
  switch (event.type) {
    case 'task.accepted':
      if (event.waitingFor !== undefined) return { text: 'Waiting for another task of this project …', color: 'yellow' }
      return event.joined ? { text: 'Joined the running task.', color: 'dim' } : null
    case 'task.resumed':
      return { text: `  (${clean(event.activity)} goes on after an interruption)`, color: 'yellow' }
    case 'task.cancel_requested':
      return { text: 'Cancelling …', color: 'yellow' }
    case 'message.withdrawn':
      return { text: 'A queued message was taken back.', color: 'dim' }
    case 'sandbox.starting':
      return { text: `◦ sandbox starting (${clean(event.provider)})`, color: 'dim' }
    case 'sandbox.progress':
      return { text: `◦ ${shortLine(event.text)}`, color: 'dim' }
    case 'sandbox.ready':
      return { text: `◦ sandbox ${event.reused ? 'reused' : 'ready'} · ${duration(event.durationMs)}`, color: 'dim' }
    case 'sandbox.lost':
      return { text: `! sandbox lost: ${shortLine(event.detail)}`, color: 'red' }
    case 'setup.started':
      return { text: `◦ setting up: ${event.commands.map(({ name }) => shortLine(name)).join(', ')}`, color: 'dim' }
    case 'setup.finished':
      return event.state === 'ready'
        ? { text: `◦ set up${event.fromCache ? ' from cache' : ''} · ${duration(event.durationMs)}`, color: 'dim' }
        : { text: `! the set-up failed at ${shortLine(event.failed ?? '')}; the task goes on`, color: 'red' }
    case 'network.denied':
      return { text: `! network: ${shortLine(event.reason)}`, color: 'yellow' }
    case 'context.generated':
      return { text: `◦ project read · ${count(event.tokens)} tokens of context`, color: 'dim' }
    case 'context.reused':
      return { text: `◦ project known · ${count(event.tokens)} tokens of context`, color: 'dim' }
    case 'memory.remembered': {
      const facts = event.facts.map(
        ({ id, text }) => `◦ remembered: ${shortLine(text)} (take back: /forget ${clean(id)})`,
      )
      return { text: facts.join('\n'), color: 'yellow' }
    }
    case 'context.compacted':
      return { text: `◦ history summarised · ${count(event.before)} → ${count(event.after)} tokens`, color: 'dim' }
    case 'tool.requested':
      return { text: `▸ ${clean(event.name)} ${summaryOf(event.input)}`, color: 'cyan' }
    case 'tool.finished':
      return event.isError || event.name !== 'bash' ? describeResult(event) : null
    case 'file.changed':
      return { text: `  ${event.kind} ${shortLine(event.path)} +${event.added} −${event.removed}`, color: 'green' }
    case 'review.started':
      return { text: `◦ review, round ${event.round}`, color: 'blue' }
    case 'review.check': {
      const { check } = event
      const isExcused = ['failed_before', 'flaky', 'not_run'].includes(check.status)
      const why = check.reason === undefined ? '' : ` (${shortLine(check.reason)})`
      const color = check.status === 'passed' ? 'green' : isExcused ? 'yellow' : 'red'
      return { text: `  check ${shortLine(check.name)}: ${check.status}${why} · ${duration(check.durationMs)}`, color }
    }
    case 'review.finding': {
      const { finding } = event
      const line = finding.line === undefined ? '' : `:${finding.line}`
      const at = finding.file === undefined ? '' : ` ${shortLine(finding.file)}${line}`
      return { text: `  ${finding.severity}${at}: ${shortLine(finding.claim)}`, color: 'yellow' }
    }
    case 'review.verdict': {
      const isApproved = event.verdict.startsWith('approved')
      const proved = isApproved ? provedBy(event) : ''
      const text = `◦ verdict: ${event.verdict.replaceAll('_', ' ')}${proved} · ${shortLine(event.summary)}`
      return { text, color: isApproved && proved === '' ? 'green' : 'yellow' }
    }
    case 'review.skipped':
      return { text: `◦ no review (${event.reason.replaceAll('_', ' ')})`, color: 'dim' }
    case 'checkpoint.restored':
      return { text: '◦ files restored', color: 'dim' }
    case 'plan.updated': {
      const settled = event.items.filter(({ state }) => state === 'done' || state === 'dropped').length
      const now = event.items.find(({ state }) => state === 'in_progress')
      const at = now === undefined ? '' : ` · ${shortLine(now.text)}`
      return { text: `◦ plan: ${settled} of ${event.items.length}${at}`, color: 'dim' }
    }
    case 'approval.requested':
      return { text: approvalText(event), color: 'yellow' }
    case 'approval.resolved': {
      return {
        text: `◦ ${shortLine(event.title)}: ${shortLine(event.answer ?? DECIDED[event.decision])}`,
        color: 'dim',
      }
    }
    case 'budget.warning':
      return { text: `! ${amounts(event)} of ${whose(event)} budget used`, color: 'yellow' }
    case 'budget.reached':
      return { text: `! ${whose(event)} budget is used up: ${amounts(event)}\n${howToGoOn(event)}`, color: 'red' }
    case 'model.reading':
      return { text: `  (${shortLine(event.message)})`, color: 'dim' }
    case 'model.substituted':
      return { text: `! ${shortLine(event.message)}`, color: 'yellow' }
    case 'model.retrying':
      return { text: `  (${shortLine(event.message)} Trying again in ${duration(event.delayMs)})`, color: 'yellow' }
    case 'stream.degraded':
      return { text: event.degraded ? '  (live text is away; steps still arrive)' : '  (live again)', color: 'dim' }
    case 'task.completed':
      if (!DONE_OUTCOMES.has(event.outcome)) {
        const words = END_WORDS[event.outcome] ?? event.outcome.replaceAll('_', ' ')
        const text = `! ended: ${words} · ${figures(event)}${alsoChanged(event.leftOut ?? [])}`
        return { text, color: 'yellow' }
      }
      return {
        text: `✔ completed: ${event.outcome.replaceAll('_', ' ')}${event.outcome.startsWith('approved') ? provedBy(event) : ''} · ${figures(event)}${alsoChanged(event.leftOut ?? [])}`,
        color: 'bold',
      }
    case 'task.failed':
      return { text: `✘ failed: ${shortLine(event.reason.message)} (${clean(event.reason.code)})`, color: 'red' }
    case 'task.cancelled': {
      const killed = event.killed.map(({ command }) => `\n  ended: ${shortLine(command)}`).join('')
      return { text: `✘ cancelled; files changed so far are kept.${killed}`, color: 'yellow' }
    }
    default:
      return null
  }
}

/** Outcomes of work that is finished, which get a tick; the others are left unfinished. */
const DONE_OUTCOMES: ReadonlySet<string> = new Set(['approved', 'approved_with_notes', 'no_changes', 'unreviewed'])
const END_WORDS: Readonly<Partial<Record<Outcome, string>>> = {
  stuck: 'stuck, the agent did the same again and again; say what to try instead',
  refused: 'refused, the model does not answer to this',
  budget_reached: 'budget reached, nobody raised it in time; the files are kept',
}

type Mark = Pick<BudgetMark, 'scope' | 'kind' | 'used' | 'limit'>

function amounts({ kind, used, limit }: Mark): string {
  if (kind === 'usd') return `$${used.toFixed(2)} of $${limit.toFixed(2)}`
  return `${count(Math.floor(used * 10) / 10)} of ${count(limit)} ${kind}`
}

function whose({ scope }: Mark): string {
  return { task: "the task's", project: "the project's", day: "the project's daily" }[scope]
}

function howToGoOn(event: Mark & { readonly taskId?: string; readonly projectId?: string }): string {
  const { kind, limit, scope } = event
  const next = kind === 'usd' ? Number((limit * 2).toFixed(2)) : Math.ceil(limit * 2)
  const how =
    scope === 'task'
      ? `  To go on: /budget ${next}${kind === 'usd' ? '' : ` ${kind}`} in another terminal, or raise it on the page.`
      : '  To go on: raise it on the page, in the project’s budgets.'
  return `  The task waits, nothing is lost; Ctrl-C ends it.\n${how}`
}

function describeResult(event: { name: string; result: string; isError: boolean }): Described | null {
  const lines = clean(event.result).trimEnd().split('\n')
  if (!event.isError)
    return {
      text: `  ${clean(event.name)}: ${count(lines.length)} ${lines.length === 1 ? 'line' : 'lines'}`,
      color: 'dim',
    }
  const shown = lines.slice(0, RESULT_LINES).map((text) => `  ${shorten(text, LINE_CHARACTERS)}`)
  return { text: [...shown, ...(lines.length > RESULT_LINES ? ['  …'] : [])].join('\n'), color: 'red' }
}

/** The one value of a tool's input that says most. */
function summaryOf(input: unknown): string {
  if (typeof input !== 'object' || input === null) return ''
  const record = input as Record<string, unknown>
  const key = ['command', 'file_path', 'pattern', 'path'].find((name) => typeof record[name] === 'string')
  return shortLine(key === undefined ? JSON.stringify(input) : String(record[key]))
}

function figures(end: {
  diffStat: { files: number; added: number; removed: number }
  usage: { inputTokens: number; outputTokens: number; cacheReadTokens: number; cacheWriteTokens: number }
  costUsd: number | null
}): string {
  const { diffStat, usage, costUsd } = end
  const tokens = usage.inputTokens + usage.outputTokens + usage.cacheReadTokens + usage.cacheWriteTokens
  const cost = costUsd === null ? '' : ` · $${costUsd.toFixed(4)}`
  return `${diffStat.files} ${diffStat.files === 1 ? 'file' : 'files'} +${diffStat.added} −${diffStat.removed} · ${count(tokens)} tokens${cost}`
}

/** What stands beside an approval that not all checks back, with the reasons; nothing where they do or nobody says. */
function provedBy(end: { evidence?: Evidence; evidenceGaps?: readonly EvidenceGap[] }): string {
  if (end.evidence === undefined || end.evidence === 'verified') return ''
  const gaps = (end.evidenceGaps ?? []).map(({ name, reason }) => `${name}: ${reason}`).join('; ')
  return `, ${EVIDENCE_WORDS[end.evidence]}${gaps === '' ? '' : ` (${shortLine(gaps)})`}`
}

/** What the diff does not hold; nothing when nothing else changed. */
function alsoChanged(leftOut: readonly LeftOut[]): string {
  return leftOut.map((place) => `\n  also changed, outside the diff: ${shortLine(leftOutText(place))}`).join('')
}

function shortLine(text: string): string {
  return cleanLine(text, LINE_CHARACTERS)
}

/** A number with its thousands apart, as the printer writes all of them. Pure. */
export function count(value: number): string {
  return value.toLocaleString('en-US')
}

function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}

const DECIDED = {
  answer: 'answered',
  approve: 'approved',
  deny: 'denied',
  expired: 'nobody answered in time',
  withdrawn: 'the task ended first',
} as const

/** What is asked, its choices, and how to decide from another terminal. */
function approvalText({
  approvalId,
  kind,
  title,
  detail,
}: Extract<StreamEvent, { type: 'approval.requested' }>): string {
  const options = (detail.options ?? []).map((option, index) => `  ${index + 1}  ${shortLine(option)}`)
  const paths = (detail.paths ?? []).map((path) => `  ${shortLine(path)}`)
  const byDefault = detail.default === undefined ? [] : [`  when nobody answers: ${shortLine(detail.default)}`]
  const how =
    kind === 'question'
      ? `/answer ${clean(approvalId)} …`
      : `/approve ${clean(approvalId)} or /deny ${clean(approvalId)}`
  return [`? ${clean(detail.question ?? title)}`, ...options, ...paths, ...byDefault, `  the task waits: ${how}`].join(
    '\n',
  )
}
