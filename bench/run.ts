/**
 * `npm run bench [-- --quick | cache | page]`: measures a private instance through its HTTP contract and prints one table, each
 * figure beside its target; `cache` measures the prompt cache alone, `page` the page in a browser. Everything runs on one machine, the load's own
 * process included.
 */

import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { activityOverheadMs } from './activity-cost.ts'
import { cacheRows } from './cache.ts'
import { checkpointMs } from './checkpoint.ts'
import { createProject, percentile, runTask, type Target, type TaskTimes } from './client.ts'
import { journalStepMs } from './journal-step.ts'
import { pageRows } from './page.ts'
import { type ProcessUse, useOf } from './processes.ts'

function env(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set; start this with npm run bench`)
  return value
}

const quick = process.argv.includes('--quick')
const target: Target = { url: env('KEELSON_URL'), apiToken: env('KEELSON_API_TOKEN') }
const samples = quick ? 5 : 20
const rows: { what: string; measured: string; target: string }[] = []

/** Nine different files, since a model that reads one file nine times over is stopped as stuck. */
const FILES = Object.fromEntries(
  Array.from({ length: 9 }, (_, i) => [`notes-${i + 1}.txt`, `line ${i + 1}\n`.repeat(40)]),
)

function script(turns: readonly object[]): string {
  return `script: ${JSON.stringify({ turns })}`
}

const read = { tools: [{ name: 'read', input: { file_path: 'notes-{{n}}.txt' } }], repeat: 9 }
const bash = { tools: [{ name: 'bash', input: { command: 'echo {{n}}' } }], repeat: 9 }
const END = { text: 'Done.' }
const FILE_TASK = script([read, END])
const BASH_TASK = script([bash, END])
const SLOW_TASK = script([
  { ...read, delayMs: 500 },
  { ...END, delayMs: 500 },
])
const TALK_TASK = script([END])

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`
}

function processes(): Record<string, number> {
  const state = JSON.parse(readFileSync(join(env('KEELSON_HOME'), 'state.json'), 'utf8')) as {
    processes: Record<string, number>
  }
  const { supervisor: _, ...parts } = state.processes
  return parts
}

function snapshot(): Map<string, ProcessUse> {
  return new Map(Object.entries(processes()).map(([name, pid]) => [name, useOf(pid)]))
}

async function oneByOne(message: string, count: number): Promise<TaskTimes[]> {
  const projectId = await createProject(target, FILES)
  // The first task makes the sandbox and the context; it is not counted.
  await expectDone(runTask(target, projectId, TALK_TASK))
  const times: TaskTimes[] = []
  for (let i = 0; i < count; i++) times.push(await expectDone(runTask(target, projectId, message)))
  return times
}

async function expectDone(running: Promise<TaskTimes>): Promise<TaskTimes> {
  const times = await running
  if (times.outcome !== 'no_changes') throw new Error(`a task of the benchmark ended as ${times.outcome}`)
  return times
}

async function atOnce(count: number): Promise<void> {
  const projects: string[] = []
  for (let i = 0; i < count; i++) {
    const projectId = await createProject(target, FILES)
    await expectDone(runTask(target, projectId, TALK_TASK))
    projects.push(projectId)
  }
  const before = snapshot()
  const ownBefore = process.cpuUsage()
  const startedAt = performance.now()
  const times = await Promise.all(projects.map((projectId) => expectDone(runTask(target, projectId, FILE_TASK))))
  const wallMs = performance.now() - startedAt
  const own = process.cpuUsage(ownBefore)
  const after = snapshot()
  const used = new Map([...after].map(([name, use]) => [name, (use.cpuMs - (before.get(name)?.cpuMs ?? 0)) / count]))
  const sum = (names: readonly string[]) => names.reduce((total, name) => total + (used.get(name) ?? 0), 0)
  rows.push(
    {
      what: `${count} ten-turn file tasks at once`,
      measured: `${((count * 1_000) / wallMs).toFixed(1)} tasks/s`,
      target: '≥ 12 tasks/s',
    },
    {
      what: '  each, POST to end of stream, p50',
      measured: ms(
        percentile(
          times.map((time) => time.totalMs),
          0.5,
        ),
      ),
      target: '',
    },
    {
      what: '  CPU a task: server + worker + Redis',
      measured: ms(sum(['server', 'worker', 'redis'])),
      target: '≤ 60 ms',
    },
    { what: '  CPU a task: all processes of the instance', measured: ms(sum([...used.keys()])), target: '≤ 150 ms' },
    ...[...used].map(([name, cpu]) => ({ what: `    ${name}`, measured: ms(cpu), target: '' })),
    { what: '    the load itself', measured: ms((own.user + own.system) / 1_000 / count), target: '' },
    {
      what: '  resident memory: server',
      measured: `${Math.round(after.get('server')?.residentMiB ?? 0)} MiB`,
      target: '≤ 150 MiB',
    },
    {
      what: '  resident memory: worker',
      measured: `${Math.round(after.get('worker')?.residentMiB ?? 0)} MiB`,
      target: '≤ 350 MiB',
    },
  )
}

async function measureAll(): Promise<void> {
  const talk = await oneByOne(TALK_TASK, samples * 3)
  const firstEvents = talk.map((time) => time.firstEventMs)
  rows.push(
    { what: 'POST to first event, idle, p50', measured: ms(percentile(firstEvents, 0.5)), target: '≤ 10 ms' },
    { what: 'POST to first event, idle, p99', measured: ms(percentile(firstEvents, 0.99)), target: '≤ 30 ms' },
    {
      what: 'one-turn task without tools, p50',
      measured: ms(
        percentile(
          talk.map((time) => time.totalMs),
          0.5,
        ),
      ),
      target: '',
    },
  )

  const temporal = { address: env('TEMPORAL_ADDRESS'), namespace: env('TEMPORAL_NAMESPACE') }
  const workflowIds = talk.slice(0, 20).map((time) => `coding-task/${time.taskId}`)
  const { perActivityMs, activities } = await activityOverheadMs(temporal, workflowIds)
  rows.push({
    what: `orchestration an activity (mean of ${activities})`,
    measured: ms(perActivityMs),
    target: '≤ 20 ms',
  })

  const journal = await journalStepMs(env('DATABASE_URL'))
  const checkpoint = await checkpointMs()
  rows.push(
    { what: 'journal: store a reply, p50', measured: ms(journal.reply), target: '≤ 2 ms' },
    { what: 'journal: store a result, p50', measured: ms(journal.result), target: '≤ 2 ms' },
    { what: 'checkpoint, 1 of 43,000 files changed, p50', measured: ms(checkpoint.one), target: '≤ 150 ms' },
    { what: '  the same by another process, the first', measured: ms(checkpoint.cold), target: '–' },
  )

  const median = (times: readonly TaskTimes[]) =>
    percentile(
      times.map((time) => time.totalMs),
      0.5,
    )
  rows.push(
    {
      what: '10 turns, 0 ms model, file tool, p50',
      measured: ms(median(await oneByOne(FILE_TASK, samples))),
      target: '≤ 150 ms',
    },
    {
      what: '10 turns, 0 ms model, bash in bwrap, p50',
      measured: ms(median(await oneByOne(BASH_TASK, samples))),
      target: '≤ 350 ms',
    },
  )
  const slow = median(await oneByOne(SLOW_TASK, quick ? 1 : 3))
  rows.push({
    what: '10 turns, 500 ms to first token, p50',
    measured: `${ms(slow)} (${((slow / 5_000 - 1) * 100).toFixed(1)} % over)`,
    target: '',
  })
  await atOnce(quick ? 10 : 50)
}

async function measurePage(): Promise<void> {
  const options = { databaseUrl: env('DATABASE_URL'), redisUrl: env('REDIS_URL'), setupUrl: env('KEELSON_SETUP_URL') }
  const browserPath = env('KEELSON_TEST_BROWSER')
  const webFolder = join(import.meta.dirname, '..', 'dist', 'web')
  rows.push(...(await pageRows({ target, ...options, browserPath, webFolder })))
}

if (process.argv.includes('page')) await measurePage()
else {
  if (!process.argv.includes('cache')) await measureAll()
  rows.push(...(await cacheRows(target)))
}

const width = Math.max(...rows.map((row) => row.what.length))
const lines = rows.map((row) => `${row.what.padEnd(width)}  ${row.measured.padStart(22)}  ${row.target}`)
process.stdout.write(`\n${cpus().length} cores, Node ${process.version}\n\n${lines.join('\n')}\n`)
