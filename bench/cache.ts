/**
 * How much of its prompts a task reads from the prompt cache, by the scripted server's account of prefixes: counts, not
 * times. The best that is possible is one write for each token: what one turn adds, the next one reads.
 */

import { createProject, runTask, type Target } from './client.ts'
import type { Figure } from './figures.ts'

const SIZES = [
  { turns: 15, target: 0.89 },
  { turns: 30, target: 0.94 },
  { turns: 60, target: 0.97 },
]
const LINES_A_FILE = 30
/** With it a prompt passes the 4,096 tokens below which Haiku 4.5 caches nothing; many a task without gets there later. */
const ISSUE = 'A sentence of the issue that the task is about, with what was seen and what was expected.\n'.repeat(70)

interface Usage {
  readonly inputTokens: number
  readonly cacheReadTokens: number
  readonly cacheWriteTokens: number
}

/** A figure for tasks of 15, 30 and 60 turns, each reading a file a turn, and one for a task with a short request. */
export async function cacheFigures(target: Target): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const { turns, target: least } of SIZES) {
    const measured = await measure(target, turns, ISSUE)
    figures.push({ ...measured, key: `cache_${turns}`, unit: '%', target: `≥ ${least * 100} %`, per: null })
  }
  const short = await measure(target, 15, '')
  return [
    ...figures,
    { ...short, what: `${short.what}, short request`, key: 'cache_short', unit: '%', target: '', per: null },
  ]
}

async function measure(target: Target, turns: number, issue: string): Promise<{ what: string; value: number }> {
  const projectId = await createProject(target, filesFor(turns))
  const read = { tools: [{ name: 'read', input: { file_path: 'part-{{n}}.js' } }], repeat: turns - 1 }
  const script = `${issue}script: ${JSON.stringify({ turns: [read, { text: 'Done.' }] })}`
  const { taskId, outcome } = await runTask(target, projectId, script)
  if (outcome !== 'no_changes') throw new Error(`a task of the benchmark ended as ${outcome}`)
  const usage = await usageOf(target, taskId)
  const prompts = usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens
  return {
    what: `cache-hit ratio, ${turns} turns, ${(prompts / turns / 1_000).toFixed(1)}k tokens a prompt`,
    value: (usage.cacheReadTokens / prompts) * 100,
  }
}

function filesFor(turns: number): Record<string, string> {
  const rules = '- A rule of the project that every change to it has to follow, in one line.\n'.repeat(60)
  const part = (n: number) => `export const answer${n} = 42 // and a word about why\n`.repeat(LINES_A_FILE)
  const parts = Array.from({ length: turns }, (_, n) => [`part-${n + 1}.js`, part(n + 1)])
  return { 'AGENTS.md': rules, ...(Object.fromEntries(parts) as Record<string, string>) }
}

async function usageOf(target: Target, taskId: string): Promise<Usage> {
  const response = await fetch(`${target.url}/api/tasks/${taskId}`, {
    headers: { authorization: `Bearer ${target.apiToken}` },
    signal: AbortSignal.timeout(60_000),
  })
  if (!response.ok) throw new Error(`GET /api/tasks/${taskId}: ${response.status}`)
  const { usage } = (await response.json()) as { usage: Usage }
  return usage
}
