/** The tasks that are measured: each kind of turn by itself, ten turns a task unless it says otherwise. */

import { createProject, runTask, type Target, type TaskTimes } from './client.ts'

export type Kind = 'read' | 'write' | 'shell' | 'reviewed' | 'talk'

interface Workload {
  readonly script: object
  readonly isReviewed: boolean
  /** How such a task ends when all went well. */
  readonly outcome: string
}

/** Turns of a task that call a tool; its last turn says that it is done. */
export const TOOL_TURNS = 9
export const TURNS = TOOL_TURNS + 1

const END = { text: 'Done.' }
const READ = { tools: [{ name: 'read', input: { file_path: 'notes-{{n}}.txt' } }], repeat: TOOL_TURNS }
const SHELL = { tools: [{ name: 'bash', input: { command: 'echo {{n}}' } }], repeat: TOOL_TURNS }

/** Nine different files, since a model that reads one file nine times over is stopped as stuck. */
const FILES = Object.fromEntries(
  Array.from({ length: TOOL_TURNS }, (_, at) => [`notes-${at + 1}.txt`, `line ${at + 1}\n`.repeat(40)]),
)

/** A task that writes writes each time into files of its own: one that changed nothing would take no checkpoint. */
function writing(nth: number): object {
  const input = { file_path: `made-${nth}-{{n}}.txt`, content: `line {{n}} of task ${nth}\n` }
  return { tools: [{ name: 'write', input }], repeat: TOOL_TURNS }
}

function workload(kind: Kind, nth: number): Workload {
  switch (kind) {
    case 'read':
      return { script: { turns: [READ, END] }, isReviewed: false, outcome: 'no_changes' }
    case 'write':
      return { script: { turns: [writing(nth), END] }, isReviewed: false, outcome: 'unreviewed' }
    case 'shell':
      return { script: { turns: [SHELL, END] }, isReviewed: false, outcome: 'no_changes' }
    case 'reviewed':
      return { script: { turns: [writing(nth), END] }, isReviewed: true, outcome: 'approved' }
    case 'talk':
      return { script: { turns: [END] }, isReviewed: false, outcome: 'no_changes' }
  }
}

/** A project for tasks of a kind, with its sandbox and context made by a first task. */
export async function openProject(target: Target, kind: Kind): Promise<string> {
  const projectId = await createProject(target, FILES)
  if (!workload(kind, 0).isReviewed) await disableReview(target, projectId)
  await runKind(target, projectId, 'talk', 0)
  return projectId
}

/** Runs the nth task of a kind; throws when it ended in another way than such tasks do. */
export async function runKind(target: Target, projectId: string, kind: Kind, nth: number): Promise<TaskTimes> {
  const { script, outcome } = workload(kind, nth)
  const times = await runTask(target, projectId, `script: ${JSON.stringify(script)}`)
  if (times.outcome !== outcome) throw new Error(`a ${kind} task of the benchmark ended as ${times.outcome}`)
  return times
}

/** The same turns with a model that takes its time. */
export async function runSlow(target: Target, projectId: string, delayMs: number): Promise<TaskTimes> {
  const turns = [
    { ...READ, delayMs },
    { ...END, delayMs },
  ]
  return await runTask(target, projectId, `script: ${JSON.stringify({ turns })}`)
}

async function disableReview(target: Target, projectId: string): Promise<void> {
  const url = `${target.url}/api/workspace/${projectId}/review-criteria`
  const headers = { authorization: `Bearer ${target.apiToken}`, 'content-type': 'application/json' }
  const signal = AbortSignal.timeout(60_000)
  const current = await fetch(url, { headers, signal })
  const { criteria, maxFixRounds } = (await current.json()) as { criteria: object[]; maxFixRounds: number }
  const body = JSON.stringify({ criteria, checks: [], maxFixRounds, enabled: false })
  const ifMatch = current.headers.get('etag') ?? ''
  const saved = await fetch(url, { method: 'PUT', headers: { ...headers, 'if-match': ifMatch }, body, signal })
  if (!saved.ok) throw new Error(`PUT review-criteria: ${saved.status} ${await saved.text()}`)
}
