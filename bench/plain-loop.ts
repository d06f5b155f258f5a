import { spawn } from 'node:child_process'
import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createAnthropicModel } from '../src/model/anthropic.ts'
import { profileFor } from '../src/model/profiles.ts'
import type { HistoryMessage } from '../src/model/types.ts'
import { percentile } from './client.ts'
import { TOOL_TURNS, TURNS } from './workloads.ts'

const MODEL = 'claude-haiku-4-5'

/**
 * The unit that durable tasks are compared with: the same ten turns in a loop that stores nothing and isolates nothing
 * (one process, the same model over HTTP, a plain write or a plain shell). Milliseconds, p50 of `samples` tasks.
 */
export async function plainLoopMs(baseUrl: string, tool: 'write' | 'shell', samples: number): Promise<number> {
  const model = createAnthropicModel({ apiKey: 'scripted', baseUrl, kind: 'scripted' })
  const dir = await realpath(await mkdtemp(path.join(tmpdir(), 'keelson-plain-')))
  const took: number[] = []
  try {
    for (let sample = 0; sample < samples; sample++) {
      const startedAt = performance.now()
      await runOnce(model, dir, tool, sample)
      took.push(performance.now() - startedAt)
    }
    return percentile(took, 0.5)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

async function runOnce(
  model: ReturnType<typeof createAnthropicModel>,
  dir: string,
  tool: 'write' | 'shell',
  sample: number,
): Promise<void> {
  const call =
    tool === 'write'
      ? { name: 'write', input: { file_path: `made-${sample}-{{n}}.txt`, content: 'line {{n}}\n' } }
      : { name: 'bash', input: { command: 'echo {{n}}' } }
  const script = { turns: [{ tools: [call], repeat: TOOL_TURNS }, { text: 'Done.' }] }
  const messages: HistoryMessage[] = [
    { role: 'user', content: [{ type: 'text', text: `script: ${JSON.stringify(script)}` }] },
  ]
  for (let turn = 0; turn < TURNS; turn++) {
    const { content } = await model.stream(
      {
        model: MODEL,
        system: ['You work on a project.'],
        tools: ['write', 'bash'].map((name) => ({
          name,
          description: name,
          input_schema: { type: 'object' as const },
        })),
        messages,
        maxTokens: profileFor(MODEL, { compat: false }).defaultMaxTokens,
        taskId: 'plain',
      },
      { signal: AbortSignal.timeout(60_000), onDelta: () => undefined },
    )
    const used = content.find((block) => block.type === 'tool_use')
    messages.push({ role: 'assistant', content })
    if (used === undefined) return
    const input = used.input as Record<string, string>
    const result = tool === 'write' ? await write(dir, input) : await shell(dir, input['command'] ?? '')
    messages.push({ role: 'user', content: [{ type: 'tool_result', tool_use_id: used.id, content: result }] })
  }
}

async function write(dir: string, input: Record<string, string>): Promise<string> {
  const file = path.join(dir, input['file_path'] ?? 'file')
  await writeFile(file, input['content'] ?? '')
  return `wrote ${(await readFile(file)).length} bytes`
}

function shell(dir: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', command], { cwd: dir, stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8')
    })
    child.on('error', reject)
    child.on('close', () => resolve(output))
  })
}
