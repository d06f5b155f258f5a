/** One line about a tool call, from its name and input; pure. Inputs come from a model: nothing in them is trusted. */

import { isRecord } from '../../shared/is-record.ts'
import { revealHidden } from '../text/reveal-hidden.ts'

/** What a tool does, for its icon. */
export type ToolKind = 'run' | 'read' | 'write' | 'edit' | 'find' | 'search' | 'review' | 'ask' | 'plan' | 'other'

/** A tool call in one line. */
export interface ToolSummary {
  readonly kind: ToolKind
  readonly verb: string
  readonly target: string
  /** The file it is about, for a link. */
  readonly path?: string
  readonly added?: number
  readonly removed?: number
}

const MAX_TARGET = 200

type Input = Readonly<Record<string, unknown>>

const KINDS: Readonly<Record<string, (input: Input) => ToolSummary>> = {
  bash: (input) => ({ kind: 'run', verb: 'Run', target: firstLine(text(input, 'command')) }),
  read: (input) => {
    const from = Number(input['offset'] ?? 1)
    const range = input['limit'] === undefined ? '' : `:${from}–${from + Number(input['limit']) - 1}`
    return { kind: 'read', verb: 'Read', target: text(input, 'file_path') + range, ...pathOf(input) }
  },
  write: (input) => ({
    kind: 'write',
    verb: 'Write',
    target: text(input, 'file_path'),
    added: lineCount(text(input, 'content')),
    ...pathOf(input),
  }),
  edit: (input) => ({
    kind: 'edit',
    verb: 'Edit',
    target: text(input, 'file_path'),
    added: lineCount(text(input, 'new_string')),
    removed: lineCount(text(input, 'old_string')),
    ...pathOf(input),
  }),
  glob: (input) => ({ kind: 'find', verb: 'Find', target: within(text(input, 'pattern'), input) }),
  grep: (input) => ({ kind: 'search', verb: 'Search', target: within(text(input, 'pattern'), input) }),
  service: (input) => {
    const what = text(input, 'command') || text(input, 'name') || text(input, 'id')
    return { kind: 'run', verb: `Service ${text(input, 'action')}`.trim(), target: firstLine(what) }
  },
  ask: (input) => ({ kind: 'ask', verb: 'Ask', target: firstLine(text(input, 'question')) }),
  plan: (input) => ({ kind: 'plan', verb: 'Plan', target: planTarget(input['items']) }),
  submit_review: () => ({ kind: 'review', verb: 'Submit review', target: '' }),
}

/** `inputText` is what streamed of the input so far, while there is no input yet. */
export function summarizeTool(name: string | null, input: unknown, inputText: string | null): ToolSummary {
  const known = isRecord(input) ? input : partialInput(inputText ?? '')
  const make = name === null ? KINDS[guessName(known)] : Object.hasOwn(KINDS, name) ? KINDS[name] : undefined
  const made = make?.(known) ?? { kind: 'other', verb: name ?? 'Preparing a call', target: '' }
  return { ...made, verb: revealHidden(made.verb), target: revealHidden(made.target).slice(0, MAX_TARGET) }
}

/** The string fields that can be read of JSON that is not whole yet. */
export function partialInput(json: string): Input {
  const found: Record<string, unknown> = {}
  for (const [, key = '', value = ''] of json.matchAll(/"(\w{1,40})"\s*:\s*"((?:[^"\\]|\\.)*)/g)) {
    found[key] = value.replaceAll('\\n', '\n').replaceAll('\\"', '"').replaceAll('\\\\', '\\')
  }
  return found
}

/** While a call streams its name is not told: its fields tell it. */
function guessName(input: Input): string {
  if ('command' in input) return 'bash'
  if ('old_string' in input) return 'edit'
  if ('content' in input) return 'write'
  if ('pattern' in input) return 'grep'
  return 'file_path' in input ? 'read' : ''
}

function text(input: Input, key: string): string {
  const value = input[key]
  return typeof value === 'string' ? value : ''
}

function pathOf(input: Input): { path?: string } {
  const path = text(input, 'file_path')
  return path === '' ? {} : { path }
}

function within(pattern: string, input: Input): string {
  const path = text(input, 'path')
  return path === '' || path === '.' ? pattern : `${pattern} in ${path}`
}

/** The step that the plan is at, else how many it has. */
function planTarget(items: unknown): string {
  const steps = Array.isArray(items) ? items.filter(isRecord) : []
  const now = steps.find(({ state }) => state === 'in_progress')
  return now === undefined ? `${steps.length} ${steps.length === 1 ? 'step' : 'steps'}` : firstLine(text(now, 'text'))
}

function firstLine(command: string): string {
  const [line = '', ...rest] = command.trim().split('\n')
  return rest.length === 0 ? line : `${line} …`
}

function lineCount(content: string): number {
  if (content === '') return 0
  return content.split('\n').length - (content.endsWith('\n') ? 1 : 0)
}
