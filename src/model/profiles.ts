/**
 * The one table of models: what each can take, what it costs, and which fields may be sent to it. Prices in dollars per
 * million tokens and limits are Anthropic's published ones of November 2026.
 */

import { AppError } from '../shared/errors.ts'
import type { Usage } from '../shared/task.ts'

/** Prices that hold while the whole prompt (fresh + cache read + cache write) is at most `upToPromptTokens`. */
interface PriceTier {
  readonly upToPromptTokens: number
  readonly inputUsdPerMTok: number
  readonly outputUsdPerMTok: number
  readonly cacheReadUsdPerMTok: number
  /** Entries that live five minutes, the only kind we write. */
  readonly cacheWriteUsdPerMTok: number
}

/**
 * What a model can do and costs, in tokens and dollars. One that is not in the table has careful guesses and no price.
 */
export interface ModelProfile {
  /** The id to send; for `compat` the id that was asked for. */
  readonly model: string
  readonly kind: 'table' | 'compat'
  readonly displayName: string
  readonly contextTokens: number
  readonly maxOutputTokens: number
  readonly defaultMaxTokens: number
  /** A prefix shorter than this is never cached. */
  readonly minCacheableTokens: number
  /** In rising order of `upToPromptTokens`; empty when the price is not known. */
  readonly prices: readonly PriceTier[]
  /** `adaptive`: the model decides, and summaries are asked for; `off`: the field is not sent. */
  readonly thinking: 'adaptive' | 'off'
  /** Sent as `output_config.effort`; null: not sent. Never varied within a task, since that empties the cache. */
  readonly effort: 'low' | 'medium' | 'high' | null
  /** Prompt tokens at which a history is summarised, between two tool rounds. */
  readonly compactAtTokens: number
  /** Whether system may be a list of blocks with `cache_control`, and `metadata` may be sent. */
  readonly sendsCacheControl: boolean
  /** Whether tools go with all that their schemas say; other servers get the plain form of `plain-schema.ts`. */
  readonly sendsWholeSchemas: boolean
  /** Whether `role: "system"` messages may stand in the history. */
  readonly takesSystemMessages: boolean
  /** Tokens per character in relation to the oldest tokenizer of the table, for estimates. */
  readonly tokenFactor: number
}

/** A write to the cache costs a quarter more than fresh input, for every model. */
const CACHE_WRITE_FACTOR = 1.25

function tier(upToPromptTokens: number, input: number, output: number, cacheRead: number): PriceTier {
  return {
    upToPromptTokens,
    inputUsdPerMTok: input,
    outputUsdPerMTok: output,
    cacheReadUsdPerMTok: cacheRead,
    cacheWriteUsdPerMTok: input * CACHE_WRITE_FACTOR,
  }
}

const ANY = Number.POSITIVE_INFINITY

/** What the models of the newest family share. */
const FAMILY_5 = {
  kind: 'table',
  contextTokens: 1_000_000,
  maxOutputTokens: 128_000,
  defaultMaxTokens: 32_000,
  minCacheableTokens: 512,
  thinking: 'adaptive',
  effort: null,
  compactAtTokens: 200_000,
  sendsCacheControl: true,
  sendsWholeSchemas: true,
  takesSystemMessages: true,
  tokenFactor: 1.3,
} as const

const TABLE: readonly ModelProfile[] = [
  {
    model: 'claude-haiku-4-5',
    kind: 'table',
    displayName: 'Claude Haiku 4.5',
    contextTokens: 200_000,
    maxOutputTokens: 64_000,
    defaultMaxTokens: 16_000,
    minCacheableTokens: 4_096,
    prices: [tier(ANY, 1, 5, 0.1)],
    // On this model a new user text drops older thinking and with it the cache from there on.
    thinking: 'off',
    effort: null,
    compactAtTokens: 140_000,
    sendsCacheControl: true,
    sendsWholeSchemas: true,
    takesSystemMessages: false,
    tokenFactor: 1,
  },
  {
    ...FAMILY_5,
    model: 'claude-haiku-5-5',
    displayName: 'Claude Haiku 5.5',
    prices: [tier(100_000, 0.1, 0.5, 0.01), tier(ANY, 0.5, 2.5, 0.05)],
    effort: 'medium',
    // Stays clear of the price step at 100,000.
    compactAtTokens: 80_000,
  },
  { ...FAMILY_5, model: 'claude-sonnet-5-5', displayName: 'Claude Sonnet 5.5', prices: [tier(ANY, 2, 10, 0.1)] },
  { ...FAMILY_5, model: 'claude-opus-5-5', displayName: 'Claude Opus 5.5', prices: [tier(ANY, 4, 20, 0.2)] },
  { ...FAMILY_5, model: 'claude-fable-5-1', displayName: 'Claude Fable 5.1', prices: [tier(ANY, 10, 50, 0.25)] },
]

const BY_ID = new Map(TABLE.map((profile) => [profile.model, profile]))

/** A model on another server with the same protocol: the plain fields only, and no idea what it costs. */
const COMPAT: Omit<ModelProfile, 'model' | 'displayName'> = {
  kind: 'compat',
  contextTokens: 128_000,
  maxOutputTokens: 32_000,
  defaultMaxTokens: 8_192,
  minCacheableTokens: ANY,
  prices: [],
  thinking: 'off',
  effort: null,
  compactAtTokens: 80_000,
  sendsCacheControl: false,
  sendsWholeSchemas: false,
  takesSystemMessages: false,
  tokenFactor: 1,
}

/** Ids that {@link profileFor} always takes, the default first. Dated forms (`claude-haiku-4-5-20251001`) are taken too. */
export function knownModels(): readonly string[] {
  return TABLE.map((profile) => profile.model)
}

/**
 * The profile of a model id. With `compat` (a base URL of one's own is set) an id outside the table gets the plain-field
 * profile; without it such an id is `bad_request` (final), and the message lists the known ones.
 */
export function profileFor(model: string, options: { readonly compat: boolean }): ModelProfile {
  const known = BY_ID.get(model) ?? BY_ID.get(model.replace(/-\d{8}$/, ''))
  // A name of the table may stand for any model on another server.
  if (known) return { ...known, model, sendsWholeSchemas: known.sendsWholeSchemas && !options.compat }
  if (options.compat && model !== '') return { ...COMPAT, model, displayName: model }
  throw new AppError('bad_request', `The model "${model}" is not known; known models: ${knownModels().join(', ')}.`, {
    details: { model: 'unknown model' },
  })
}

/**
 * Whether a server's name for a model means the one that was asked for: in its dated form, with the name of a provider in
 * front, or with a cloud's version behind.
 */
export function isSameModel(asked: string, named: string): boolean {
  return plainName(asked) === plainName(named)
}

function plainName(name: string): string {
  const last = name.toLowerCase().split('/').at(-1) ?? ''
  return last
    .replace(/^(?:[a-z]{2,6}\.)?anthropic\./, '')
    .replace(/-v\d+(?::\d+)?$/, '')
    .replace(/[-@]\d{8}$/, '')
    .replace(/-latest$/, '')
}

/** Tokens the model had to read: the price step, the context window and the compaction mark all count these. */
export function promptTokens(usage: Usage): number {
  return usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens
}

/**
 * What one call cost, in dollars; null when the model's price is not known, never 0 for that. The usage must be that of
 * a single call, since the tier depends on its prompt. Cached tokens count towards the tier.
 */
export function costUsd(profile: ModelProfile, usage: Usage): number | null {
  const size = promptTokens(usage)
  const price = profile.prices.find((candidate) => size <= candidate.upToPromptTokens)
  if (!price) return null
  const micros =
    usage.inputTokens * price.inputUsdPerMTok +
    usage.outputTokens * price.outputUsdPerMTok +
    usage.cacheReadTokens * price.cacheReadUsdPerMTok +
    usage.cacheWriteTokens * price.cacheWriteUsdPerMTok
  return micros / 1_000_000
}
