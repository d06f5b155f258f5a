import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createProject, percentile, runTask, type Target } from './client.ts'

const WARM_ROUNDS = 3
const LIMIT_MS = 300_000
const MANIFEST = JSON.stringify({ name: 'bench', version: '1.0.0', private: true, dependencies: { express: '4.21.2' } })
const TALK = `script: ${JSON.stringify({ turns: [{ text: 'Done.' }] })}`

export interface SetUpTimes {
  /** The first set-up of a project; the same in a fork of it, from what it installed; and the installer run once more. */
  readonly coldMs: number
  readonly warmMs: number
  readonly againMs: number
  /** A whole one-turn task of a project that is set up already. */
  readonly taskMs: number
}

/**
 * How long the set-up of a project with 60 packages takes, from the registry that this host's npm uses; null where that cannot
 * be reached.
 */
export async function setUpTimes(target: Target, samples: number): Promise<SetUpTimes | null> {
  const lock = await lockFile()
  if (lock === null) return null
  const projectId = await createProject(target, { 'package.json': MANIFEST, 'package-lock.json': lock })
  const { taskId } = await runTask(target, projectId, TALK)
  const cold = await lastSetUp(target, projectId)
  if (cold.state !== 'ready') return null
  const warm: number[] = []
  const again: number[] = []
  for (let round = 0, before = cold; round < WARM_ROUNDS; round++) {
    warm.push((await setUpOfFork(target, taskId)).durationMs)
    await call(target, 'POST', `/api/workspace/${projectId}/environment/setup`)
    before = await nextSetUp(target, projectId, before.at)
    again.push(before.durationMs)
  }
  const tasks: number[] = []
  for (let nth = 0; nth < samples; nth++) tasks.push((await runTask(target, projectId, TALK)).totalMs)
  const [warmMs, againMs, taskMs] = [percentile(warm, 0.5), percentile(again, 0.5), percentile(tasks, 0.5)]
  return { coldMs: cold.durationMs, warmMs, againMs, taskMs }
}

/** The set-up of a project that is forked from the task's first checkpoint. */
async function setUpOfFork(target: Target, taskId: string): Promise<LastSetUp> {
  const { items } = (await call(target, 'GET', `/api/tasks/${taskId}/checkpoints`)) as { items: { id: string }[] }
  const route = `/api/checkpoints/${items[0]?.id ?? ''}/fork`
  const { id } = (await call(target, 'POST', route, { into: 'project' })) as { id: string }
  await runTask(target, id, TALK)
  return await lastSetUp(target, id)
}

/** The lock file that npm makes of the manifest; null where it cannot. */
async function lockFile(): Promise<string | null> {
  const dir = await mkdtemp(path.join(tmpdir(), 'keelson-bench-'))
  try {
    await writeFile(path.join(dir, 'package.json'), MANIFEST)
    const args = ['install', '--package-lock-only', '--no-audit', '--no-fund']
    await promisify(execFile)('npm', args, { cwd: dir, timeout: 60_000 })
    return await readFile(path.join(dir, 'package-lock.json'), 'utf8')
  } catch {
    // No npm or no registry: there is nothing to measure then.
    return null
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

interface LastSetUp {
  readonly state: string
  readonly at: string
  readonly durationMs: number
}

async function lastSetUp(target: Target, projectId: string): Promise<LastSetUp> {
  const { status } = (await call(target, 'GET', `/api/workspace/${projectId}/environment`)) as {
    status: Partial<LastSetUp>
  }
  return { state: status.state ?? '', at: status.at ?? '', durationMs: status.durationMs ?? Number.NaN }
}

async function nextSetUp(target: Target, projectId: string, after: string): Promise<LastSetUp> {
  const deadline = Date.now() + LIMIT_MS
  for (;;) {
    const last = await lastSetUp(target, projectId)
    if (last.at !== after && last.state !== 'running') return last
    if (Date.now() > deadline) throw new Error('a set-up of the benchmark does not end')
    await sleep(200)
  }
}

async function call(target: Target, method: string, route: string, body: object = {}): Promise<unknown> {
  const response = await fetch(`${target.url}${route}`, {
    method,
    headers: { authorization: `Bearer ${target.apiToken}`, 'content-type': 'application/json' },
    ...(method === 'POST' ? { body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(60_000),
  })
  if (!response.ok) throw new Error(`${method} ${route}: ${response.status} ${await response.text()}`)
  return await response.json()
}
