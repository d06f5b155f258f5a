import type { TaskRecord } from '../db/task/task-records.ts'
import type { TaskSummary } from '../db/turn/memory.ts'
import { oneLine } from '../shared/text/one-line.ts'
import { cutToTokens, estimateTokens } from '../shared/text/tokens.ts'

/** The longest summary of one task. */
export const MAX_SUMMARY_TOKENS = 600
const MAX_NAME_CHARACTERS = 120
const MAX_REQUEST_CHARACTERS = 600
const MAX_STEER_CHARACTERS = 200
const MAX_STEERS = 3
const MAX_WORDS_CHARACTERS = 700
const MAX_CLAIM_CHARACTERS = 160
const MAX_FINDINGS = 4
const MAX_FILES = 8

/** Stands for a message that the model refused: told again it would be refused again. */
const REFUSED = '(a message that the model refused is left out here)'

/**
 * What a task leaves to later ones: request, outcome, files, decisions, open points, checks; never the words that the model
 * refused. Pure, at most about 600 tokens.
 */
export function summarizeTask(record: TaskRecord): TaskSummary {
  const [request = 'none', ...steers] = tellableRequests(record)
  const parts = [
    `Request: ${oneLine(request, MAX_REQUEST_CHARACTERS)}`,
    ...steersOf(steers),
    `Outcome: ${outcomeOf(record)}`,
    `Files: ${filesOf(record)}`,
    ...(record.checks.length === 0 ? [] : [`Checks at the end: ${checksOf(record)}`]),
    ...openPointsOf(record),
    ...(record.lastWords === null
      ? []
      : [`The agent’s last words: ${oneLine(record.lastWords, MAX_WORDS_CHARACTERS)}`]),
  ]
  return { taskId: record.taskId, name: nameOf(record), text: withinTokens(parts.join('\n')) }
}

function nameOf(record: TaskRecord): string {
  const [request = 'no request'] = tellableRequests(record)
  return `${oneLine(request, MAX_NAME_CHARACTERS)} (${outcomeOf(record)})`
}

function tellableRequests({ requests }: TaskRecord): string[] {
  return requests.map(({ text, isRefused }) => (isRefused ? REFUSED : text))
}

/** One that is written in a script of many bytes a character is cut where its lines end, or within its only one. */
function withinTokens(text: string): string {
  if (estimateTokens(text) <= MAX_SUMMARY_TOKENS) return text
  const { text: kept } = cutToTokens(text, MAX_SUMMARY_TOKENS - 10)
  const rest = text.slice(kept.length)
  const room = Math.max(0, MAX_SUMMARY_TOKENS - 10 - estimateTokens(kept))
  return `${kept}${[...rest].slice(0, room).join('')}…`
}

function steersOf(texts: readonly string[]): string[] {
  if (texts.length === 0) return []
  const shown = texts.slice(-MAX_STEERS).map((text) => `“${oneLine(text, MAX_STEER_CHARACTERS)}”`)
  const more = texts.length > shown.length ? `${texts.length - shown.length} more, then ` : ''
  return [`Decisions of the user while it ran: ${more}${shown.join('; ')}`]
}

function outcomeOf({ status, outcome, reason }: TaskRecord): string {
  const words = outcome === null ? status : `${status}, ${outcome.replaceAll('_', ' ')}`
  return reason === null ? words : `${words}: ${oneLine(reason, 200)}`
}

function filesOf({ files, stat }: TaskRecord): string {
  if (stat.files === 0 && files.length === 0) return 'none changed'
  const shown = files.slice(0, MAX_FILES).map(fileLine)
  const more = Math.max(stat.files, files.length) - shown.length
  const list = [...shown, ...(more > 0 ? [`${more} more`] : [])].join(', ')
  return `${stat.files} changed, +${stat.added} −${stat.removed}${list === '' ? '' : `: ${list}`}`
}

/** `src/a.js (modify, +3 −1)`. */
export function fileLine({ path, kind, added, removed }: TaskRecord['files'][number]): string {
  return `${oneLine(path, 160)} (${kind}, +${added} −${removed})`
}

function checksOf({ checks }: TaskRecord): string {
  return checks.map(({ name, status }) => `${oneLine(name, 64)} ${status.replaceAll('_', ' ')}`).join(', ')
}

function openPointsOf({ findings }: TaskRecord): string[] {
  if (findings.length === 0) return []
  const shown = findings.slice(0, MAX_FINDINGS).map(({ severity, file, line, claim }) => {
    const place = file === undefined ? '' : ` ${file}${line === undefined ? '' : `:${line}`}`
    return `[${severity}]${place} ${oneLine(claim, MAX_CLAIM_CHARACTERS)}`
  })
  const more = findings.length > shown.length ? [`${findings.length - shown.length} more`] : []
  return [`Open points: ${[...shown, ...more].join('; ')}`]
}
