import { expect, test } from 'vitest'
import { createAnthropicModel } from '../../../src/model/anthropic.ts'
import type { HistoryMessage, ModelReply, UserBlock } from '../../../src/model/types.ts'
import { addUsage, NO_USAGE, type Usage } from '../../../src/shared/task.ts'
import { aListener, aRequest, aServer } from './support.ts'

/** Sizes of a real task: 9,000 tokens of static prefix, 2,000 of results and 450 of output a turn. */
const PREFIX = 'static prefix words '.repeat(1_700)
const RESULT = 'line of a file\n'.repeat(520)
const INPUT = 'const answer = 42\n'.repeat(90)

interface TaskOptions {
  readonly turns: number
  readonly callsPerTurn?: number
  readonly model?: string
}

/** Plays a task turn by turn through the real client and server; returns the sum of usage and what the server counted. */
async function playTask({ turns, callsPerTurn = 1, model: name = 'claude-haiku-4-5' }: TaskOptions) {
  const server = await aServer()
  const model = createAnthropicModel({ apiKey: 'k', baseUrl: server.url })
  const tools = Array.from({ length: callsPerTurn }, (_, n) => ({
    name: 'write',
    input: { file_path: `file-${n}-{{turn}}.js`, content: INPUT.slice(0, Math.ceil(INPUT.length / callsPerTurn)) },
  }))
  const request = aRequest({
    model: name,
    system: [PREFIX],
    script: { turns: [{ text: 'Step {{turn}}.', tools, repeat: turns }] },
  })
  let messages: readonly HistoryMessage[] = request.messages
  let usage: Usage = NO_USAGE
  for (let turn = 0; turn < turns; turn++) {
    const reply = await model.stream({ ...request, messages }, aListener())
    usage = addUsage(usage, reply.usage)
    messages = [...messages, { role: 'assistant', content: reply.content }, { role: 'user', content: resultsOf(reply) }]
  }
  const stats = server.cacheStats()
  await server.close()
  const prompt = usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens
  return { hitRatio: usage.cacheReadTokens / prompt, uncached: usage.inputTokens, stats }
}

function resultsOf(reply: ModelReply): UserBlock[] {
  const uses = reply.content.filter((block) => block.type === 'tool_use')
  return uses.map(({ id }) => ({
    type: 'tool_result',
    tool_use_id: id,
    content: RESULT.slice(0, Math.ceil(RESULT.length / uses.length)),
  }))
}

test.each([
  [15, 89],
  [30, 94],
  [60, 97],
])('a task of %i turns reads at least %i percent of its prompts from the cache', async (turns, least) => {
  const { hitRatio, uncached, stats } = await playTask({ turns })
  expect(Math.round(hitRatio * 100)).toBeGreaterThanOrEqual(least)
  // Every prompt is marked to its very end: nothing is charged as plain input, and each turn pays for what it added.
  expect({ uncached, hits: stats.hits }).toEqual({ uncached: 0, hits: turns - 1 })
})

test('a turn of more blocks than the cache looks back still hits what the turn before wrote', async () => {
  const { hitRatio, stats } = await playTask({ turns: 12, callsPerTurn: 15 })
  expect(stats.hits).toBe(11)
  expect(hitRatio).toBeGreaterThan(0.85)
})

test('a newer model with a smaller minimum is cached as well', async () => {
  const { hitRatio } = await playTask({ turns: 15, model: 'claude-haiku-5-5' })
  expect(Math.round(hitRatio * 100)).toBeGreaterThanOrEqual(89)
})
