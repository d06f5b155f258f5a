/**
 * The rules of the Messages API that a client can break without noticing, each answered with the 400 of the real
 * service. Written by hand, not as a schema: it runs on every request of every benchmark. Sources: Messages API
 * reference, tool use (parallel calls, troubleshooting), prompt caching; API version 2026-10-21.
 */

import { type ModelProfile, profileFor } from '../model/profiles.ts'
import { blocksOf, invalid, type WireBlock, WireError, type WireMessage, type WireRequest } from './wire.ts'

const REQUEST_FIELDS = new Set([
  'model',
  'max_tokens',
  'messages',
  'system',
  'tools',
  'tool_choice',
  'metadata',
  'stream',
  'stop_sequences',
  'cache_control',
  'thinking',
  'output_config',
  'service_tier',
  'diagnostics',
])
const MESSAGE_FIELDS = new Set(['role', 'content'])
const TOOL_FIELDS = new Set([
  'type',
  'name',
  'description',
  'input_schema',
  'cache_control',
  'strict',
  'input_examples',
])
const BLOCK_FIELDS: Readonly<Record<string, ReadonlySet<string>>> = {
  text: new Set(['type', 'text', 'cache_control']),
  tool_use: new Set(['type', 'id', 'name', 'input', 'cache_control']),
  tool_result: new Set(['type', 'tool_use_id', 'content', 'is_error', 'cache_control']),
  thinking: new Set(['type', 'thinking', 'signature']),
  redacted_thinking: new Set(['type', 'data']),
}
const USER_BLOCKS = new Set(['text', 'tool_result'])
const ASSISTANT_BLOCKS = new Set(['text', 'tool_use', 'thinking', 'redacted_thinking'])
const TOOL_NAME = /^[a-zA-Z0-9_-]{1,128}$/
const MAX_CACHE_MARKS = 4
const MAX_TOOLS = 200

/** A request that keeps the rules, with the profile of its model. */
export interface ValidRequest {
  readonly request: WireRequest
  readonly profile: ModelProfile
}

/**
 * Checks a parsed body and returns it typed. Throws `WireError`: 404 for a model that is not in the table, 400 for
 * anything else. Looks only at the one request; what changed since the last one is `conversations.ts`'s to find.
 */
export function validateRequest(body: unknown, options: { readonly countOnly?: boolean } = {}): ValidRequest {
  if (!isObject(body)) throw invalid('The request body must be a JSON object.')
  noOther(body, REQUEST_FIELDS, '')
  const profile = checkModel(body['model'])
  if (!options.countOnly) checkMaxTokens(body['max_tokens'], profile)
  checkSettings(body, profile)
  const tools = checkTools(body['tools'])
  const systemMarks = checkSystem(body['system'])
  const found = checkMessages(body['messages'], profile)
  if (found.usesTools && tools.count === 0) {
    throw invalid('Requests which include `tool_use` or `tool_result` blocks must define tools.')
  }
  const marks = tools.marks + systemMarks + found.marks + (body['cache_control'] == null ? 0 : 1)
  if (marks > MAX_CACHE_MARKS) {
    throw invalid(`A maximum of ${MAX_CACHE_MARKS} blocks with cache_control may be provided. Found ${marks}.`)
  }
  return { request: body as unknown as WireRequest, profile }
}

type Json = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function noOther(value: Json, fields: ReadonlySet<string>, path: string): void {
  for (const key in value) if (!fields.has(key)) throw invalid(`${path}${key}: Extra inputs are not permitted`)
}

function checkModel(model: unknown): ModelProfile {
  if (typeof model !== 'string' || model === '') throw invalid('model: Field required')
  try {
    return profileFor(model, { compat: false })
  } catch {
    throw new WireError(404, 'not_found_error', `model: ${model}`)
  }
}

function checkMaxTokens(value: unknown, profile: ModelProfile): void {
  if (value === undefined) throw invalid('max_tokens: Field required')
  if (typeof value !== 'number' || !Number.isInteger(value))
    throw invalid('max_tokens: Input should be a valid integer')
  if (value < 1) throw invalid('max_tokens: Input should be greater than or equal to 1')
  if (value > profile.maxOutputTokens) {
    const limit = profile.maxOutputTokens
    throw invalid(
      `max_tokens: ${value} > ${limit}, which is the maximum allowed number of output tokens for ${profile.model}`,
    )
  }
}

function checkSettings(body: Json, profile: ModelProfile): void {
  const { metadata, thinking, output_config: outputConfig } = body
  if (metadata !== undefined) {
    if (!isObject(metadata)) throw invalid('metadata: Input should be a valid dictionary')
    noOther(metadata, new Set(['user_id']), 'metadata.')
    const userId = metadata['user_id']
    if (userId != null && (typeof userId !== 'string' || userId.length > 256)) {
      throw invalid('metadata.user_id: String should have at most 256 characters')
    }
  }
  if (isObject(thinking) && profile.thinking === 'off' && thinking['type'] === 'adaptive') {
    throw invalid('adaptive thinking is not supported on this model')
  }
  if (isObject(thinking) && profile.thinking === 'adaptive' && thinking['type'] === 'enabled') {
    throw invalid('thinking.budget_tokens: this model decides for itself; use adaptive thinking')
  }
  if (isObject(outputConfig) && outputConfig['effort'] != null && profile.thinking === 'off') {
    throw invalid('This model does not support the effort parameter.')
  }
  checkMark(body['cache_control'], 'cache_control')
}

function checkTools(tools: unknown): { readonly count: number; readonly marks: number } {
  if (tools === undefined) return { count: 0, marks: 0 }
  if (!Array.isArray(tools)) throw invalid('tools: Input should be a valid list')
  if (tools.length > MAX_TOOLS) throw invalid(`tools: List should have at most ${MAX_TOOLS} items`)
  const names = new Set<string>()
  let marks = 0
  tools.forEach((tool: unknown, index) => {
    const path = `tools.${index}.custom`
    if (!isObject(tool)) throw invalid(`${path}: Input should be a valid dictionary`)
    noOther(tool, TOOL_FIELDS, `${path}.`)
    const name = tool['name']
    if (typeof name !== 'string' || !TOOL_NAME.test(name)) {
      throw invalid(`${path}.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'`)
    }
    if (names.has(name)) throw invalid('tools: Tool names must be unique.')
    names.add(name)
    const schema = tool['input_schema']
    if (!isObject(schema)) throw invalid(`${path}.input_schema: Field required`)
    if (schema['type'] !== 'object') throw invalid(`${path}.input_schema.type: Input should be 'object'`)
    marks += checkMark(tool['cache_control'], `${path}.cache_control`)
  })
  return { count: tools.length, marks }
}

function checkSystem(system: unknown): number {
  if (system === undefined || typeof system === 'string') return 0
  if (!Array.isArray(system)) throw invalid('system: Input should be a valid list')
  let marks = 0
  system.forEach((block: unknown, index) => {
    const path = `system.${index}`
    if (!isObject(block) || block['type'] !== 'text') throw invalid(`${path}.type: Input should be 'text'`)
    marks += checkBlock(block, path)
  })
  return marks
}

interface Found {
  readonly marks: number
  readonly usesTools: boolean
}

function checkMessages(messages: unknown, profile: ModelProfile): Found {
  if (!Array.isArray(messages)) throw invalid('messages: Field required')
  if (messages.length === 0) throw invalid('messages: at least one message is required')
  const seen: SeenCalls = { everyId: new Set(), open: [] }
  let marks = 0
  messages.forEach((message: unknown, index) => {
    marks += checkMessage(message, index, profile)
    const typed = message as WireMessage
    checkOrder(typed, messages[index - 1] as WireMessage | undefined, index)
    checkCalls(typed, index, seen)
  })
  if (seen.open.length > 0) throw unanswered(messages.length - 1, seen.open)
  if ((messages.at(-1) as WireMessage).role === 'assistant') {
    throw invalid(
      'This model does not support assistant message prefill. The conversation must end with a user message.',
    )
  }
  return { marks, usesTools: seen.everyId.size > 0 }
}

function checkMessage(message: unknown, index: number, profile: ModelProfile): number {
  const path = `messages.${index}`
  if (!isObject(message)) throw invalid(`${path}: Input should be a valid dictionary`)
  noOther(message, MESSAGE_FIELDS, `${path}.`)
  const { role, content } = message
  if (role !== 'user' && role !== 'assistant' && role !== 'system') {
    throw invalid(`${path}.role: Input should be 'user', 'assistant' or 'system'`)
  }
  if (role === 'system' && !profile.takesSystemMessages) throw invalid("role 'system' is not supported on this model")
  if (typeof content === 'string') {
    if (content.trim() === '') throw invalid(`${path}: ${role} messages must have non-empty content`)
    return 0
  }
  if (!Array.isArray(content)) throw invalid(`${path}.content: Field required`)
  if (content.length === 0) throw invalid(`${path}: ${role} messages must have non-empty content`)
  const allowed = role === 'assistant' ? ASSISTANT_BLOCKS : USER_BLOCKS
  let marks = 0
  content.forEach((block: unknown, at) => {
    if (!isObject(block) || !allowed.has(String(block['type']))) {
      const type = isObject(block) ? String(block['type']) : typeof block
      throw invalid(`${path}.content.${at}: \`${type}\` blocks may not stand in ${role} messages`)
    }
    marks += checkBlock(block, `${path}.content.${at}`)
  })
  const last: unknown = content.at(-1)
  if (role === 'assistant' && isObject(last) && String(last['type']).endsWith('thinking')) {
    throw invalid(`${path}: The final block in an assistant message cannot be \`thinking\`.`)
  }
  return marks
}

function checkBlock(block: Json, path: string): number {
  const type = String(block['type'])
  const fields = BLOCK_FIELDS[type]
  if (!fields) throw invalid(`${path}.type: Input tag '${type}' is not known`)
  noOther(block, fields, `${path}.${type}.`)
  switch (type) {
    case 'text':
      checkText(block['text'], path)
      break
    case 'tool_use':
      checkToolUse(block, path)
      break
    case 'tool_result':
      checkToolResult(block, path)
      break
    case 'thinking':
      needString(block['thinking'], `${path}.thinking.thinking`)
      needString(block['signature'], `${path}.thinking.signature`)
      break
    default:
      needString(block['data'], `${path}.${type}.data`)
  }
  return checkMark(block['cache_control'], `${path}.cache_control`)
}

function checkText(text: unknown, path: string): void {
  needString(text, `${path}.text.text`)
  if (text === '') throw invalid(`${path}.text: text content blocks must be non-empty`)
  if (String(text).trim() === '') throw invalid(`${path}.text: text content blocks must contain non-whitespace text`)
}

function checkToolUse(block: Json, path: string): void {
  needString(block['id'], `${path}.tool_use.id`)
  if (!/^[a-zA-Z0-9_-]+$/.test(String(block['id']))) {
    throw invalid(`${path}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'`)
  }
  needString(block['name'], `${path}.tool_use.name`)
  if (!TOOL_NAME.test(String(block['name']))) {
    throw invalid(`${path}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'`)
  }
  if (!isObject(block['input'])) throw invalid(`${path}.tool_use.input: Input should be a valid dictionary`)
}

function checkToolResult(block: Json, path: string): void {
  needString(block['tool_use_id'], `${path}.tool_result.tool_use_id`)
  const { content, is_error: isError } = block
  if (isError !== undefined && typeof isError !== 'boolean') {
    throw invalid(`${path}.tool_result.is_error: Input should be a valid boolean`)
  }
  if (isError === true && (content === undefined || content === '')) {
    throw invalid(`${path}.tool_result: content cannot be empty if \`is_error\` is true`)
  }
  if (content === undefined || typeof content === 'string') return
  if (!Array.isArray(content)) throw invalid(`${path}.tool_result.content: Input should be a valid string or list`)
  content.forEach((part: unknown, at) => {
    if (!isObject(part) || part['type'] !== 'text') {
      throw invalid(`${path}.tool_result.content.${at}.type: Input should be 'text'`)
    }
    checkBlock(part, `${path}.tool_result.content.${at}`)
  })
}

function needString(value: unknown, path: string): void {
  if (value === undefined) throw invalid(`${path}: Field required`)
  if (typeof value !== 'string') throw invalid(`${path}: Input should be a valid string`)
}

function checkMark(mark: unknown, path: string): number {
  if (mark == null) return 0
  if (!isObject(mark) || mark['type'] !== 'ephemeral') throw invalid(`${path}.type: Input should be 'ephemeral'`)
  const ttl = mark['ttl']
  if (ttl !== undefined && ttl !== '5m' && ttl !== '1h') throw invalid(`${path}.ttl: Input should be '5m' or '1h'`)
  return 1
}

function checkOrder(message: WireMessage, before: WireMessage | undefined, index: number): void {
  if (index === 0 && message.role !== 'user') throw invalid('messages: first message must use the "user" role')
  if (message.role === 'assistant' && before?.role === 'assistant') {
    throw invalid(`messages.${index}: roles must alternate between "user" and "assistant"`)
  }
}

interface SeenCalls {
  readonly everyId: Set<string>
  /** Ids that the message before called and that this one must answer. */
  open: string[]
}

function checkCalls(message: WireMessage, index: number, seen: SeenCalls): void {
  const blocks = blocksOf(message.content)
  checkResults(blocks, index, seen)
  if (message.role !== 'assistant') return
  for (const [at, block] of blocks.entries()) {
    if (block.type !== 'tool_use' || block.id === undefined) continue
    if (seen.everyId.has(block.id)) throw invalid(`messages.${index}.content.${at}: \`tool_use\` ids must be unique`)
    seen.everyId.add(block.id)
    seen.open.push(block.id)
  }
}

function checkResults(blocks: readonly WireBlock[], index: number, seen: SeenCalls): void {
  const wanted = new Set(seen.open)
  const answered = new Set<string>()
  let sawOther = false
  for (const [at, block] of blocks.entries()) {
    if (block.type !== 'tool_result') {
      sawOther = true
      continue
    }
    const id = block.tool_use_id ?? ''
    if (answered.has(id)) {
      throw invalid(
        `messages.${index}.content.${at}: each tool_use must have a single result. Found multiple \`tool_result\` blocks with id: ${id}`,
      )
    }
    if (!wanted.has(id)) {
      throw invalid(
        `messages.${index}.content.${at}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${id}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`,
      )
    }
    if (sawOther)
      throw invalid(`messages.${index}.content.${at}: \`tool_result\` blocks must come before other content`)
    answered.add(id)
  }
  const missing = seen.open.filter((id) => !answered.has(id))
  if (missing.length > 0) throw unanswered(index - 1, missing)
  seen.open = []
}

function unanswered(index: number, ids: readonly string[]): WireError {
  return invalid(
    `messages.${index}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${ids.join(', ')}. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`,
  )
}
