/** What a project holds back until a person has decided: the patterns, what is wrong with one, and what it matches. Pure. */

import { hostEntryFault, isListed } from './network.ts'

/** Patterns of one kind. */
export const MAX_PATTERNS = 50
/** Decisions that a project remembers at most. */
export const MAX_REMEMBERED = 200
/** The longest pattern of a command, path or host. */
export const MAX_PATTERN_CHARACTERS = 200
/** How long the task waits when nothing else is said. */
export const DEFAULT_EXPIRES_HOURS = 168

/** A decision that holds for the project from now on. */
export interface RememberedDecision {
  readonly kind: 'command' | 'path'
  /** The command or path itself, exactly. */
  readonly subject: string
  readonly decision: 'approve' | 'deny'
  /** ISO 8601. */
  readonly at: string
}

/** What of a project's work needs a person, and what people decided for good. */
export interface ApprovalPolicy {
  /** `npm publish`, `terraform * prod`: words that stand in the command, `*` for anything between them. */
  readonly commands: readonly string[]
  /** As in a .gitignore: `.github/`, `*.lock`, `/prisma/migrations/**`. */
  readonly paths: readonly string[]
  /** Hosts that a person is asked for when a command was refused them; `*.` in front as in the network policy. */
  readonly hosts: readonly string[]
  /** Whether a publication waits for a person; policies of earlier versions do not say, and then none does. */
  readonly publishing?: boolean | undefined
  readonly expiresInHours: number
  readonly remembered: readonly RememberedDecision[]
}

/** The policy of a project that has none: nothing needs a person. */
export const NO_POLICY: ApprovalPolicy = {
  commands: [],
  paths: [],
  hosts: [],
  expiresInHours: DEFAULT_EXPIRES_HOURS,
  remembered: [],
}

const MATCHES_ALL = 'would hold back everything: name what it is about'
const PAIRS: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }

/** Why a command pattern cannot be taken, or null when it can. */
export function commandPatternFault(pattern: string): string | null {
  return textFault(pattern) ?? (wordCount(pattern) < 2 ? MATCHES_ALL : null)
}

/** Why a path pattern cannot be taken, or null when it can. */
export function pathPatternFault(pattern: string): string | null {
  const fault = textFault(pattern)
  if (fault !== null) return fault
  if (pattern.includes('\\')) return 'must have / between directories, not \\'
  if (pattern.startsWith('~')) return 'must lie in the workspace'
  if (pattern.split('/').some((segment) => segment === '..' || segment === '.'))
    return 'must not hold . or .. as a directory'
  return wordCount(pattern) < 1 ? MATCHES_ALL : null
}

/** Why a host pattern cannot be taken, or null when it can. */
export function hostPatternFault(pattern: string): string | null {
  return /^[*.\s]*$/.test(pattern) ? MATCHES_ALL : hostEntryFault(pattern)
}

function textFault(pattern: string): string | null {
  if (pattern.trim() === '') return 'must not be empty'
  if (pattern.length > MAX_PATTERN_CHARACTERS) return `must have at most ${MAX_PATTERN_CHARACTERS} characters`
  if (!pattern.isWellFormed() || /\p{Cc}/u.test(pattern)) return 'must be one line of well-formed text'
  return isBalanced(pattern) ? null : 'has a bracket without its pair; patterns are plain text with * for anything'
}

function isBalanced(pattern: string): boolean {
  const open: string[] = []
  for (const character of pattern) {
    const closing = PAIRS[character]
    if (closing !== undefined) open.push(closing)
    else if (')]}'.includes(character) && open.pop() !== character) return false
  }
  return open.length === 0
}

function wordCount(pattern: string): number {
  return pattern.match(/[\p{L}\p{N}]/gu)?.length ?? 0
}

/** The first pattern that a command matches, or null. A guard for the well-meaning: a shell has ways around any text. */
export function heldCommand(command: string, patterns: readonly string[]): string | null {
  const text = command.replaceAll(/\\\n/g, ' ').replaceAll(/[\t ]+/g, ' ')
  return patterns.find((pattern) => standsIn(text, pattern)) ?? null
}

const WORD = /[\p{L}\p{N}_-]/u

/** Whether the pattern's pieces stand in the text in their order, the first at a word's beginning, the last at one's end. */
function standsIn(text: string, pattern: string): boolean {
  const pieces = pattern.trim().replaceAll(/\s+/g, ' ').split('*')
  const isOpenAtEnd = pieces.at(-1) === ''
  const isOpenAtStart = pieces[0] === ''
  const wanted = pieces.filter((piece) => piece.trim() !== '')
  let from = 0
  for (const [index, piece] of wanted.entries()) {
    const begins = index === 0 && !isOpenAtStart
    const ends = index === wanted.length - 1 && !isOpenAtEnd
    const at = find(text, piece, from, { begins, ends })
    if (at < 0) return false
    from = at + piece.length
  }
  return true
}

function find(text: string, piece: string, from: number, at: { begins: boolean; ends: boolean }): number {
  for (let found = text.indexOf(piece, from); found >= 0; found = text.indexOf(piece, found + 1)) {
    const before = text[found - 1] ?? ' '
    const after = text[found + piece.length] ?? ' '
    if ((!at.begins || !WORD.test(before)) && (!at.ends || !WORD.test(after))) return found
  }
  return -1
}

/** The first pattern that a path of the workspace matches, or null. */
export function heldPath(path: string, patterns: readonly string[]): string | null {
  return patterns.find((pattern) => isPathHeld(path, pattern)) ?? null
}

function isPathHeld(path: string, pattern: string): boolean {
  const isAnchored = pattern.slice(0, -1).includes('/')
  const wanted = pattern.split('/').filter((segment) => segment !== '')
  // A directory stands for all below it, and so does a file's name that turns out to be one.
  const whole = [...(isAnchored ? [] : ['**']), ...wanted]
  const segments = path.split('/').filter((segment) => segment !== '')
  for (let length = segments.length; length > 0; length--) {
    if (pattern.endsWith('/') && length === segments.length) continue
    if (matchSegments(segments.slice(0, length), whole)) return true
  }
  return false
}

/** Row by row over the pattern, so that no pattern costs more than path times pattern. */
function matchSegments(path: readonly string[], pattern: readonly string[]): boolean {
  let reached = new Set([0])
  for (const wanted of pattern) {
    const next = new Set<number>()
    for (const at of reached) {
      if (wanted === '**') for (let to = at; to <= path.length; to++) next.add(to)
      else if (at < path.length && matchSegment(path[at] ?? '', wanted)) next.add(at + 1)
    }
    reached = next
  }
  return reached.has(path.length)
}

function matchSegment(name: string, wanted: string): boolean {
  const pieces = wanted.split('*')
  const first = pieces[0] ?? ''
  if (pieces.length === 1) return name === wanted
  const last = pieces.at(-1) ?? ''
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false
  let from = first.length
  for (const piece of pieces.slice(1, -1)) {
    const at = name.indexOf(piece, from)
    if (at < 0) return false
    from = at + piece.length
  }
  return from <= name.length - last.length
}

/** The first pattern that a host matches, or null. */
export function heldHost(host: string, patterns: readonly string[]): string | null {
  return patterns.find((pattern) => isListed(host, [pattern])) ?? null
}

/** What is remembered of a command or path, or null. The latest word counts. */
export function rememberedFor(
  { remembered }: ApprovalPolicy,
  kind: RememberedDecision['kind'],
  subject: string,
): RememberedDecision['decision'] | null {
  return remembered.findLast((entry) => entry.kind === kind && entry.subject === subject)?.decision ?? null
}
