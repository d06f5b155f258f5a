import type {
  HistoryMessage,
  ModelDelta,
  ModelRequest,
  StreamOptions,
  ToolDefinition,
} from '../../../src/model/types.ts'
import { listPolicy } from '../../../src/standin/policies/list.ts'
import { type ScriptedServer, type ScriptedServerOptions, startScriptedServer } from '../../../src/standin/server.ts'

const CODER_TOOLS = ['bash', 'read', 'write', 'edit', 'glob', 'grep']

export function aTool(name: string): ToolDefinition {
  return { name, description: `The tool ${name}`, input_schema: { type: 'object', properties: {} } }
}

export const coderTools: readonly ToolDefinition[] = CODER_TOOLS.map(aTool)

export function user(text: string): HistoryMessage {
  return { role: 'user', content: [{ type: 'text', text }] }
}

/** A first request whose user message holds the script. */
export function aRequest(overrides: Partial<ModelRequest> & { readonly script?: unknown } = {}): ModelRequest {
  const { script = { turns: [{ text: 'Hello there.' }] }, ...rest } = overrides
  return {
    model: 'claude-haiku-4-5',
    system: ['You are a coding agent.'],
    tools: coderTools,
    messages: [user(`script: ${JSON.stringify(script)}`)],
    maxTokens: 16_000,
    taskId: 'tsk_1',
    ...rest,
  }
}

export interface Listener extends StreamOptions {
  readonly deltas: ModelDelta[]
}

/** Stream options that keep every delta; `signal` never aborts unless given. */
export function aListener(overrides: Partial<StreamOptions> = {}): Listener {
  const deltas: ModelDelta[] = []
  return { deltas, signal: new AbortController().signal, onDelta: (delta) => deltas.push(delta), ...overrides }
}

/** A server on a free port that plays lists; the caller closes it. */
export function aServer(options: Partial<ScriptedServerOptions> = {}): Promise<ScriptedServer> {
  return startScriptedServer({ policy: listPolicy, ...options })
}
