/** The oracle's rules on what must not be left behind once a run has come to rest. */

import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'redis'
import type { Evidence } from './evidence.ts'
import { findCommands } from './processes.ts'
import type { ChaosStack } from './stack.ts'

const OUTBOX_LIMIT_MS = 15_000

/** An entry whose sender died is held for five seconds and then sent again by a sweep. */
export async function untilSent(stack: ChaosStack): Promise<void> {
  const giveUpAt = Date.now() + OUTBOX_LIMIT_MS
  while (Date.now() < giveUpAt) {
    const waiting = await stack.query('SELECT id FROM outbox WHERE done_at IS NULL')
    if (waiting.length === 0) return
    await sleep(200)
  }
}

/** Nothing unfinished in Postgres, no part open in Redis, no process left behind. */
export async function judgeLeftovers(evidence: Evidence): Promise<string[]> {
  const { stack } = evidence
  const outbox = await stack.query<{ id: string; kind: string }>('SELECT id, kind FROM outbox WHERE done_at IS NULL')
  const turns = await stack.query<{ task_id: string; turn: number }>(
    `SELECT t.task_id, t.turn FROM tool_calls t JOIN tasks k ON k.id = t.task_id WHERE t.status <> 'finished'`,
  )
  const active = await stack.query<{ id: string }>('SELECT id FROM projects WHERE active_task_id IS NOT NULL')
  return [
    ...outbox.map(({ id, kind }) => `outbox entry ${id} (${kind}) was not sent`),
    ...turns.map(({ task_id, turn }) => `a tool call of task ${task_id}, turn ${turn}, is not finished`),
    ...active.map(({ id }) => `project ${id} still has an active task`),
    ...findCommands(stack.home).map(({ pid, command }) => `process ${pid} was left behind: ${command.slice(0, 200)}`),
    ...(await openPartsIn(evidence)),
  ]
}

/**
 * No part is open. Only when Redis was struck may those of a project's last task be left: the closing was lost with Redis,
 * or with a worker that died before Redis was back, and the next task of the project would have removed them.
 */
async function openPartsIn({ stack, projectIds, struck }: Evidence): Promise<string[]> {
  const wasRedisStruck = struck.some(({ fault }) => fault.target === 'redis')
  const last = await stack.query<{ id: string }>(
    `SELECT DISTINCT ON (k.project_id) k.id FROM tasks k JOIN turns t ON t.task_id = k.id WHERE t.replied_at IS NOT NULL
     ORDER BY k.project_id, k.position DESC`,
  )
  const excused = new Set(wasRedisStruck ? last.map(({ id }) => id) : [])
  const client = createClient({ url: stack.redisUrl, socket: { connectTimeout: 5_000, reconnectStrategy: false } })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const found = (await Promise.all(projectIds.map((id) => client.hKeys(`keelson:{${id}}:open`)))).flat()
    const left = found.filter((part) => !excused.has(part.split('/')[0] ?? ''))
    return left.map((part) => `part ${part} is still open in Redis`)
  } finally {
    client.destroy()
  }
}

const BAD_LINES = /unhandled|uncaught|MaxListenersExceeded|out of memory|ERR_UNHANDLED/i

/** No log of ours tells of a failure that nobody handled. */
export function judgeLogs(stack: ChaosStack): string[] {
  return stack
    .logs()
    .flatMap(({ name, text }) =>
      text.split('\n').flatMap((line) => (BAD_LINES.test(line) ? [`log of ${name}: ${line.slice(0, 400)}`] : [])),
    )
}

/** Server and workers end only when they are struck, and then as the signal says. */
export function judgeEndings({ stack, struck }: Evidence): string[] {
  const supervised = stack.supervisorLines.flatMap((line) => {
    const found = /^(worker|server) ended \((?:signal )?([^)]+)\)/.exec(line)
    return found ? [{ part: found[1] ?? '', ending: found[2] ?? '' }] : []
  })
  const own = stack.ownWorkers.flatMap(({ endings }) => endings.map((ending) => ({ part: 'worker', ending })))
  const all = [...supervised, ...own]
  const wrong = all.filter(({ ending }) => !['SIGKILL', 'SIGTERM', 'exit code 0'].includes(ending))
  return [
    ...wrong.map(({ part, ending }) => `a ${part} ended by itself: ${ending}`),
    ...['worker', 'server'].flatMap((part) => {
      const ended = all.filter((one) => one.part === part).length
      const hits = struck.filter(({ fault }) => fault.kind === 'signal' && fault.target === part).length
      return ended <= hits ? [] : [`the ${part} ended ${ended} times and was struck ${hits} times`]
    }),
  ]
}
