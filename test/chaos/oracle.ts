/** Judges a run that has come to rest: what Postgres, Redis, the workspaces, the viewers and the logs hold. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Evidence } from './evidence.ts'
import { judgeEndings, judgeLeftovers, judgeLogs } from './leftovers.ts'
import type { Ledger } from './user.ts'
import { digest } from './viewer.ts'
import { BEGUN, ENDED, notesOf } from './work.ts'

export interface Figures {
  messages: number
  tasks: Record<string, number>
  events: number
  framesSeen: number
  commands: number
  edits: number
  lostCommands: number
  modelCalls: number
  repeatedModelCalls: number
  repeatsAllowed: number
}

export interface Verdict {
  readonly violations: readonly string[]
  readonly figures: Figures
}

interface TaskRow {
  id: string
  project_id: string
  status: string
  outcome: string | null
  reason_code: string | null
  reason_message: string | null
}

interface EventRow {
  project_id: string
  seq: number
  task_id: string | null
  type: string
  data: string
}

interface CallRow {
  task_id: string
  tool_use_id: string
  name: string
  input: string
  status: string
  is_error: boolean
  result: string | null
}

/** Reads everything once and applies every rule; violations are sentences that name what they are about. */
export async function judge(evidence: Evidence): Promise<Verdict> {
  const { stack, ledger } = evidence
  const tasks = await stack.query<TaskRow>(
    'SELECT id, project_id, status, outcome, reason_code, reason_message FROM tasks ORDER BY position',
  )
  const events = await stack.query<EventRow>(
    'SELECT project_id, seq, task_id, type, data FROM events ORDER BY project_id, seq',
  )
  const calls = await stack.query<CallRow>(
    `SELECT task_id, tool_use_id, name, input, status, is_error, result FROM tool_calls WHERE lane = 'coder'`,
  )
  const effects = judgeEffects(evidence, tasks, calls)
  const model = await judgeModelCalls(evidence)
  const violations = [
    ...ledger.problems,
    ...judgeTasks(ledger, tasks),
    ...judgeEnds(tasks, events),
    ...(await judgeMessages(evidence, tasks, events)),
    ...judgeNumbers(evidence, events),
    ...judgeViewers(evidence, events),
    ...effects.violations,
    ...model.violations,
    ...(await judgeLeftovers(evidence)),
    ...judgeLogs(stack),
    ...judgeEndings(evidence),
  ]
  return {
    violations,
    figures: {
      messages: ledger.posted.length,
      tasks: countBy(tasks.map(({ status }) => status)),
      events: events.length,
      framesSeen: evidence.viewers.reduce((sum, viewer) => sum + viewer.seen.length, 0),
      ...effects.figures,
      ...model.figures,
    },
  }
}

/** Each accepted task has ended, well unless somebody stopped it. */
function judgeTasks(ledger: Ledger, tasks: readonly TaskRow[]): string[] {
  const known = new Map(tasks.map((task) => [task.id, task]))
  const lost = ledger.posted.filter(({ accepted }) => !known.has(accepted.taskId))
  return [
    ...lost.map(({ accepted }) => `task ${accepted.taskId} was accepted and is not stored`),
    ...tasks.flatMap((task) => {
      if (task.status === 'completed') return []
      if (task.status === 'cancelled' && ledger.cancelled.has(task.id)) return []
      return [`task ${task.id} is ${task.status} (${task.reason_code}: ${task.reason_message})`]
    }),
  ]
}

/** Exactly one final message and one terminal event a task, in this order, and nothing of the task after them. */
function judgeEnds(tasks: readonly TaskRow[], events: readonly EventRow[]): string[] {
  const byTask = groupBy(events, ({ task_id }) => task_id ?? '')
  return tasks.flatMap((task) => {
    const own = byTask.get(task.id) ?? []
    const ends = own.filter(({ type }) => /^task\.(completed|failed|cancelled)$/.test(type))
    const finals = own.filter(({ type, data }) => type === 'message.completed' && data.includes('"complete":true'))
    const isRight = ends.length === 1 && finals.length === 1 && own.at(-1)?.type === ends[0]?.type
    const shape = `${finals.length} final messages, ${ends.length} ends, last ${own.at(-1)?.type}`
    return isRight ? [] : [`task ${task.id} (${task.status}) has ${shape}`]
  })
}

interface MessageRow {
  id: string
  task_id: string
  client_message_id: string
  status: string
}

/** Each accepted message is stored once and was answered once, unless its task was stopped before. */
async function judgeMessages(
  { stack, ledger }: Evidence,
  tasks: readonly TaskRow[],
  events: readonly EventRow[],
): Promise<string[]> {
  const rows = await stack.query<MessageRow>(
    `SELECT id, task_id, client_message_id, status FROM messages WHERE role = 'user'`,
  )
  const byId = new Map(rows.map((row) => [row.id, row]))
  const taskOf = new Map(tasks.map((task) => [task.id, task]))
  const claims = countBy(
    events.flatMap(({ type, data }) =>
      type === 'message.claimed' ? [(JSON.parse(data) as { messageId: string }).messageId] : [],
    ),
  )
  const names = rows.map((row) => row.client_message_id)
  const doubled = names.filter((name, index) => names.indexOf(name) !== index)
  const streaming = await stack.query<{ id: string }>(`SELECT id FROM messages WHERE status IN ('queued', 'streaming')`)
  return [
    ...doubled.map((name) => `the message ${name} is stored more than once`),
    ...streaming.map(({ id }) => `message ${id} is still queued or streaming`),
    ...ledger.posted.flatMap(({ work, accepted }) => {
      const row = byId.get(accepted.messageId)
      if (row === undefined) return [`message ${work.name} was accepted and is not stored`]
      const wasStopped = taskOf.get(row.task_id)?.status === 'cancelled'
      if (row.status === 'cancelled' && wasStopped) return []
      const claimed = claims[row.id] ?? 0
      return claimed === 1 ? [] : [`message ${work.name} (${row.status}) was claimed ${claimed} times`]
    }),
  ]
}

/** Every project's events are numbered from 1 without holes, and the number in the data is the row's. */
function judgeNumbers({ projectIds }: Evidence, events: readonly EventRow[]): string[] {
  const byProject = groupBy(events, ({ project_id }) => project_id)
  return projectIds.flatMap((projectId) => {
    const own = byProject.get(projectId) ?? []
    const wrong = own.find(({ seq, data }, index) => {
      return seq !== index + 1 || (JSON.parse(data) as { seq: number }).seq !== seq
    })
    return wrong === undefined ? [] : [`project ${projectId}: event ${wrong.seq} does not stand where its number says`]
  })
}

/** Every viewer has, from its first cursor on, exactly what Postgres has. */
function judgeViewers({ viewers }: Evidence, events: readonly EventRow[]): string[] {
  const byProject = groupBy(events, ({ project_id }) => project_id)
  const byTask = groupBy(events, ({ task_id }) => task_id ?? '')
  return viewers.flatMap((viewer) => {
    const id = viewer.path.split('/')[3] ?? ''
    const isTask = viewer.path.startsWith('/api/tasks/')
    const stored = ((isTask ? byTask : byProject).get(id) ?? []).filter(({ seq }) => seq > viewer.after)
    const wrong = stored.findIndex(({ seq, data }, index) => {
      const seen = viewer.seen[index]
      return seen?.seq !== seq || seen.hash !== digest(data)
    })
    const problems = [...viewer.problems]
    if (wrong !== -1 || viewer.seen.length !== stored.length) {
      const at = `${viewer.seen[wrong]?.seq} instead of ${stored[wrong]?.seq}`
      problems.push(`${viewer.path}: saw ${viewer.seen.length} of ${stored.length} events, first wrong one ${at}`)
    }
    if (isTask && !viewer.isComplete) problems.push(`${viewer.path}: the stream did not come to its end`)
    return problems
  })
}

function judgeEffects({ stack, ledger }: Evidence, tasks: readonly TaskRow[], calls: readonly CallRow[]) {
  const projectOf = new Map(tasks.map((task) => [task.id, task.project_id]))
  const files = createReader(stack.home)
  const violations: string[] = []
  const figures = { commands: 0, edits: 0, lostCommands: 0 }
  const seenWords = new Set<string>()
  for (const call of calls) {
    const word = wordOf(call)
    if (word === null) continue
    if (seenWords.has(word)) violations.push(`the model's call ${word} was stored twice (${call.tool_use_id})`)
    seenWords.add(word)
    const projectId = projectOf.get(call.task_id) ?? ''
    const isWhole = call.status === 'finished' && !call.is_error
    const name = word.split('.')[0] ?? ''
    const counts =
      call.name === 'bash'
        ? [files.count(projectId, BEGUN, word), files.count(projectId, ENDED, word)]
        : [files.count(projectId, notesOf(name), word)]
    const isRight = counts.every((count) => (isWhole ? count === 1 : count <= 1))
    if (!isRight) {
      const state = `${call.status}${call.is_error ? ', error' : ''}`
      violations.push(`${call.name} ${word} (${call.tool_use_id}: ${state}) took effect ${counts.join(' and ')} times`)
    }
    if (call.name === 'bash') figures.commands++
    else figures.edits++
    if ((call.result ?? '').startsWith('outcome unknown')) figures.lostCommands++
  }
  for (const projectId of new Set(ledger.posted.map((posted) => posted.projectId))) {
    for (const word of files.words(projectId, BEGUN)) {
      if (!seenWords.has(word)) violations.push(`the command ${word} ran and is in no journal`)
    }
  }
  return { violations, figures }
}

/** The word that a call leaves behind; null for a call without an effect that is counted. */
function wordOf({ name, input }: CallRow): string | null {
  const fields = JSON.parse(input) as { command?: string; new_string?: string; content?: string }
  if (name === 'bash') return /^echo (\S+) >>/.exec(fields.command ?? '')?.[1] ?? null
  if (name === 'edit') return fields.new_string?.split('\n')[0] ?? null
  if (name === 'write') return fields.content?.split('\n')[0] ?? null
  return null
}

/** A project whose filling was cut off goes on in the next generation of its sandbox; the files are in the newest. */
function newestSandbox(project: string): string {
  const generations = existsSync(project) ? readdirSync(project).map((name) => Number(name.slice(1))) : []
  return join(project, `g${Math.max(1, ...generations.filter(Number.isSafeInteger))}`)
}

/** Counts whole lines of files in the workspaces. */
function createReader(home: string) {
  const known = new Map<string, Map<string, number>>()
  const linesOf = (projectId: string, path: string): Map<string, number> => {
    const file = join(newestSandbox(join(home, 'sandboxes', 'projects', projectId)), 'workspace', path)
    const counts = known.get(file) ?? new Map<string, number>()
    if (known.has(file) || !existsSync(file)) return counts
    for (const line of readFileSync(file, 'utf8').split('\n')) counts.set(line, (counts.get(line) ?? 0) + 1)
    known.set(file, counts)
    return counts
  }
  return {
    count: (projectId: string, path: string, word: string) => linesOf(projectId, path).get(word) ?? 0,
    words: (projectId: string, path: string) => [...linesOf(projectId, path).keys()].filter((word) => word !== ''),
  }
}

/** A reply is asked for again only when a fault struck while it was awaited. */
async function judgeModelCalls({ stack, struck }: Evidence) {
  const rows = await stack.query<{ task_id: string; turn: number; lane: string; attempts: number }>(
    'SELECT task_id, turn, lane, attempts FROM turns',
  )
  const repeated = rows.reduce((sum, row) => sum + Math.max(0, row.attempts - 1), 0)
  const allowed = struck.reduce((sum, { inFlight }) => sum + inFlight, 0)
  const figures = {
    modelCalls: rows.reduce((sum, row) => sum + row.attempts, 0),
    repeatedModelCalls: repeated,
    repeatsAllowed: allowed,
  }
  const violations = repeated <= allowed ? [] : [`${repeated} model calls were repeated, at most ${allowed} may be`]
  return { violations, figures }
}

function groupBy<T>(list: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of list) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return groups
}

function countBy(list: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const item of list) counts[item] = (counts[item] ?? 0) + 1
  return counts
}
