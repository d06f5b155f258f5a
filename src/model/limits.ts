/** What a model's server takes at most, as people set it, as the server lists it, and as it says when it refuses. Pure. */

import { isRecord } from '../shared/is-record.ts'
import type { ModelProfile } from './profiles.ts'

/** Tokens; absent: not known. */
export interface ModelLimits {
  readonly contextTokens?: number
  readonly maxOutputTokens?: number
}

/** Smaller numbers in a sentence are no window: a count of messages, a status, a version. */
const MIN_WINDOW_TOKENS = 512
const MAX_WINDOW_TOKENS = 100_000_000
const MIN_OUTPUT_TOKENS = 16

/** Of a window, what one reply may take unless more is asked for, and of what that leaves, where a history is compacted. */
const REPLY_SHARE = 0.25
const COMPACT_SHARE = 0.65
/** Longer prompts cost more than they help, whatever the window. */
const MAX_COMPACT_TOKENS = 200_000

/**
 * The profile of a model whose limits are known better than its table says. A model of the table never gets more than the
 * table allows; one of another server gets what its window has room for.
 */
export function withLimits(profile: ModelProfile, limits: ModelLimits): ModelProfile {
  const isOwn = profile.kind === 'compat'
  const known = (value: number | undefined, own: number) =>
    value === undefined ? own : isOwn ? value : Math.min(value, own)
  const contextTokens = known(limits.contextTokens, profile.contextTokens)
  const maxOutputTokens = Math.min(known(limits.maxOutputTokens, profile.maxOutputTokens), contextTokens)
  const isChanged = contextTokens !== profile.contextTokens || maxOutputTokens !== profile.maxOutputTokens
  if (!isChanged) return profile
  const room = Math.floor(contextTokens * REPLY_SHARE)
  const defaultMaxTokens = Math.max(1, Math.min(profile.defaultMaxTokens, maxOutputTokens, room))
  const mark = Math.min(MAX_COMPACT_TOKENS, Math.floor((contextTokens - defaultMaxTokens) * COMPACT_SHARE))
  const isWindowOwn = isOwn && limits.contextTokens !== undefined
  return {
    ...profile,
    contextTokens,
    maxOutputTokens,
    defaultMaxTokens,
    compactAtTokens: isWindowOwn ? mark : Math.min(profile.compactAtTokens, mark),
  }
}

/** Both limits, each the smaller one where both name it. */
export function smallerOf(a: ModelLimits, b: ModelLimits): ModelLimits {
  const least = (one: number | undefined, other: number | undefined) =>
    one === undefined ? other : other === undefined ? one : Math.min(one, other)
  return plain({
    contextTokens: least(a.contextTokens, b.contextTokens),
    maxOutputTokens: least(a.maxOutputTokens, b.maxOutputTokens),
  })
}

function plain(limits: { contextTokens: number | undefined; maxOutputTokens: number | undefined }): ModelLimits {
  return {
    ...(limits.contextTokens === undefined ? {} : { contextTokens: limits.contextTokens }),
    ...(limits.maxOutputTokens === undefined ? {} : { maxOutputTokens: limits.maxOutputTokens }),
  }
}

const NUMBER = String.raw`(\d{1,3}(?:[,_ ']\d{3})+|\d+)\s*(k(?![a-z]))?`
/** "Exceeded by 3,000 tokens" names no limit. */
const NOT_BY = String.raw`(?<!\bby )`
/** Where a sentence names the window, most telling first. */
const WINDOW_PATTERNS = [
  String.raw`n_ctx\D{0,6}${NUMBER}`,
  String.raw`[<>]=?\s*${NUMBER}`,
  String.raw`(?:maximum|max\.?|available|allowed|model'?s?|supported)\s+(?:context|prompt|input)[^.\d]{0,40}?${NOT_BY}${NUMBER}`,
  String.raw`context\s*(?:length|size|window|limit)\s*(?:is|of|:|=|\()\D{0,12}${NOT_BY}${NUMBER}`,
  String.raw`(?:larger|longer|more|greater|bigger|over|exceeds?|beyond|above|fits?)\D{0,40}?${NOT_BY}${NUMBER}\s*-?\s*tokens?`,
  String.raw`${NUMBER}[ -]tokens?\s+(?:maximum|max|limit|context|window|are allowed)`,
  String.raw`(?:limit|maximum|max|at most|up to|only)\D{0,30}?${NOT_BY}${NUMBER}\s*-?\s*tokens?`,
].map((source) => new RegExp(source, 'i'))

/** The window that a refusal names, as words or in the field of a llama.cpp server; undefined when it names none. */
export function windowIn(sentence: string, body: unknown): number | undefined {
  const named = fieldOf(body, ['n_ctx'], MIN_WINDOW_TOKENS) ?? undefined
  if (named !== undefined) return named
  for (const pattern of WINDOW_PATTERNS) {
    const value = numberOf(pattern.exec(sentence))
    if (value !== undefined && value >= MIN_WINDOW_TOKENS && value <= MAX_WINDOW_TOKENS) return value
  }
  return undefined
}

const OUTPUT_PATTERN = new RegExp(
  String.raw`(?:max_tokens|max_completion_tokens|max_output_tokens|output tokens|completion tokens)`,
  'i',
)
const OUTPUT_LIMITS = [
  String.raw`(?:at most|maximum (?:of|is|allowed)[^.\d]{0,40}?|up to|less than or equal to|cannot exceed|must be <=?|limit(?: is| of)?:?)\s*${NUMBER}`,
  String.raw`>=?\s*${NUMBER}`,
  String.raw`\[\s*\d+\s*,\s*${NUMBER}\s*\]`,
].map((source) => new RegExp(source, 'i'))

/** The longest reply that a refusal of `max_tokens` allows; undefined when the sentence is none. */
export function outputLimitIn(sentence: string): number | undefined {
  if (!OUTPUT_PATTERN.test(sentence)) return undefined
  for (const pattern of OUTPUT_LIMITS) {
    const value = numberOf(pattern.exec(sentence))
    if (value !== undefined && value >= MIN_OUTPUT_TOKENS && value <= MAX_WINDOW_TOKENS) return value
  }
  return undefined
}

function numberOf(match: RegExpExecArray | null): number | undefined {
  const digits = match?.[1]?.replaceAll(/\D/g, '')
  if (digits === undefined || digits === '') return undefined
  return Number(digits) * (match?.[2] === undefined ? 1 : 1_024)
}

/** What servers of several makers call the window in their lists, the one that holds now before the one of the training. */
const WINDOW_FIELDS = [
  'loaded_context_length',
  'n_ctx',
  'max_input_tokens',
  'max_model_len',
  'context_length',
  'context_window',
  'max_context_length',
  'n_ctx_train',
]
const OUTPUT_FIELDS = ['max_output_tokens', 'max_completion_tokens', 'max_tokens']

/** The limits that one entry of a list of models names, at its top or one level below. */
export function limitsOfEntry(entry: unknown): ModelLimits {
  return plain({
    contextTokens: fieldOf(entry, WINDOW_FIELDS, MIN_WINDOW_TOKENS),
    maxOutputTokens: fieldOf(entry, OUTPUT_FIELDS, MIN_OUTPUT_TOKENS),
  })
}

function fieldOf(value: unknown, names: readonly string[], min: number): number | undefined {
  if (!isRecord(value)) return undefined
  const places = [value, ...Object.values(value).filter(isRecord)]
  for (const name of names) {
    for (const place of places) {
      const found = place[name]
      if (typeof found === 'number' && found >= min && found <= MAX_WINDOW_TOKENS) return Math.floor(found)
    }
  }
  return undefined
}
