import type { JournalTurn } from '../db/turn/turns.ts'
import { shorten } from '../shared/text/one-line.ts'

const READ_ONLY = new Set(['read', 'glob', 'grep'])
const SHOWN_CALLS = 2
const SUBJECT_CHARACTERS = 60

/** What a person reads in the list of checkpoints: `turn 3: write src/a.ts, npm test and 1 more`. Pure. */
export function turnLabel(turn: Pick<JournalTurn, 'turn' | 'toolCalls'>): string {
  const subjects = turn.toolCalls.filter((call) => changesFiles(call.name)).map(subjectOf)
  if (subjects.length === 0) return `turn ${turn.turn}`
  const more = subjects.length - SHOWN_CALLS
  return `turn ${turn.turn}: ${subjects.slice(0, SHOWN_CALLS).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** The label of the checkpoint that a task begins with. Pure. */
export function startLabel(request: string | undefined): string {
  return request === undefined ? 'before the task' : `before: ${tidy(request)}`
}

/** Whether a tool may leave other files behind than it found. */
export function changesFiles(toolName: string): boolean {
  return !READ_ONLY.has(toolName)
}

function subjectOf(call: { readonly name: string; readonly input: string }): string {
  const input = JSON.parse(call.input) as Readonly<Record<string, unknown>> | null
  const value = input?.['description'] ?? input?.['file_path'] ?? input?.['command']
  const text = typeof value === 'string' ? tidy(value) : ''
  if (text === '') return call.name
  return call.name === 'bash' ? text : `${call.name} ${text}`
}

/** The first line without what a terminal or page would stumble over; the model wrote it. */
function tidy(text: string): string {
  const line = text.trim().split('\n', 1)[0] ?? ''
  return shorten(line.replaceAll(/[\p{Cc}\p{Cf}\p{Surrogate}]/gu, ''), SUBJECT_CHARACTERS)
}
