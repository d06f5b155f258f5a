/**
 * `npm run bench [-- --quick | --save | --check | cache | page | setup]`: measures a private instance through its HTTP contract and
 * prints one table, each figure beside its target; `cache` measures the prompt cache alone, `page` the page in a browser,
 * `setup` what set-ups and refused hosts cost.
 * `--save` keeps the figures in `bench/results/`, `--check` compares them with the last that were saved on a machine like
 * this one. Everything runs on one machine, the load's own process included.
 */

import { readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { activityCost } from './activity-cost.ts'
import { cacheFigures } from './cache.ts'
import { checkpointMs } from './checkpoint.ts'
import { percentile, type Target, type TaskTimes } from './client.ts'
import { commandStartMs } from './command-start.ts'
import { deniedHostMs } from './denied-host.ts'
import { type Figure, lastSaved, save, tableOf, worseThan } from './figures.ts'
import { journalStepMs } from './journal-step.ts'
import { pageRows } from './page.ts'
import { plainLoopMs } from './plain-loop.ts'
import { type ProcessUse, useOf } from './processes.ts'
import { setUpTimes } from './set-up.ts'
import { writesCounter } from './transactions.ts'
import { type Kind, openProject, runKind, runSlow, TOOL_TURNS, TURNS } from './workloads.ts'

function env(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set; start this with npm run bench`)
  return value
}

const has = (option: string) => process.argv.includes(option)
const quick = has('--quick')
const target: Target = { url: env('KEELSON_URL'), apiToken: env('KEELSON_API_TOKEN') }
const temporal = { address: env('TEMPORAL_ADDRESS'), namespace: env('TEMPORAL_NAMESPACE') }
const samples = quick ? 5 : 20
const PROJECTS = quick ? 10 : 50
const figures: Figure[] = []
const loadBefore = loadavg()[0] ?? 0

const note = (key: string, what: string, value: number, rest: Partial<Figure> = {}) =>
  figures.push({ key, what, value, unit: 'ms', target: '', ...rest })
const median = (values: readonly number[]) => percentile(values, 0.5)
const totals = (times: readonly TaskTimes[]) => times.map((time) => time.totalMs)

const NAMES: Record<Kind, string> = {
  read: 'reading (read)',
  write: 'writing (write)',
  shell: 'shell (bash in bwrap)',
  reviewed: 'writing, reviewed',
  talk: 'one turn without tools',
}
const TARGETS: Partial<Record<Kind, string>> = { read: '≤ 150 ms', write: '≤ 150 ms', shell: '≤ 350 ms' }
/** What a task's time is divided by when runs are compared. */
const UNITS: Record<Kind, string> = {
  read: 'plain_write_ms',
  write: 'plain_write_ms',
  shell: 'plain_shell_ms',
  reviewed: 'plain_write_ms',
  talk: 'plain_write_ms',
}

function snapshot(): Map<string, ProcessUse> {
  const state = JSON.parse(readFileSync(join(env('KEELSON_HOME'), 'state.json'), 'utf8')) as {
    processes: Record<string, number>
  }
  const { supervisor: _, ...parts } = state.processes
  return new Map(Object.entries(parts).map(([name, pid]) => [name, useOf(pid)]))
}

async function oneByOne(kind: Kind, count: number): Promise<TaskTimes[]> {
  const projectId = await openProject(target, kind)
  const times: TaskTimes[] = []
  for (let nth = 1; nth <= count; nth++) times.push(await runKind(target, projectId, kind, nth))
  return times
}

async function measurePlainLoop(): Promise<void> {
  for (const kind of ['write', 'shell'] as const) {
    const took = await plainLoopMs(env('ANTHROPIC_BASE_URL'), kind, samples)
    note(`plain_${kind}_ms`, `the same ten turns in a plain loop, ${kind}, p50`, took, { per: null })
  }
}

async function measureTalk(): Promise<void> {
  const talk = await oneByOne('talk', samples * 3)
  const firsts = talk.map((time) => time.firstEventMs)
  note('first_event_p50_ms', 'POST to first event, idle, p50', median(firsts), { target: '≤ 10 ms', per: null })
  note('first_event_p99_ms', 'POST to first event, idle, p99', percentile(firsts, 0.99), {
    target: '≤ 30 ms',
    per: null,
  })
  note('talk_ms', 'one-turn task without tools, p50', median(totals(talk)), { per: UNITS.talk })
}

async function measureSetUp(): Promise<void> {
  const denied = await deniedHostMs()
  note('denied_host_ms', 'a host that is not allowed, until curl is told so, p50', denied, {
    target: '≤ 100 ms',
    per: 'command_bare_ms',
  })
  const times = await setUpTimes(target, samples)
  if (times === null) return
  note('setup_cold_ms', 'first set-up, npm ci of 60 packages', times.coldMs, { per: null })
  note('setup_again_ms', '  the installer again, with what it downloaded', times.againMs, { per: 'setup_cold_ms' })
  note('setup_warm_ms', '  in a fork, from what it installed', times.warmMs, { per: 'setup_cold_ms' })
  note('setup_warm_factor', '  so many times faster', times.coldMs / times.warmMs, {
    unit: '',
    target: '≥ 3',
    per: null,
  })
  const talk = figures.find(({ key }) => key === 'talk_ms')?.value ?? 0
  note('setup_unchanged_ms', '  what an unchanged one adds to a task', times.taskMs - talk, {
    target: '≤ 300 ms',
    per: null,
  })
}

async function measureKinds(): Promise<void> {
  for (const kind of ['read', 'write', 'shell', 'reviewed'] as const) {
    const writes = await writesCounter(env('DATABASE_URL'))
    const talk = await writes.of(() => oneByOne('talk', samples))
    const { result: times, count } = await writes.of(() => oneByOne(kind, samples))
    await writes.close()
    const name = `10 turns, 0 ms model, ${NAMES[kind]}`
    note(`${kind}_ms`, `${name}, p50`, median(totals(times)), { target: TARGETS[kind] ?? '', per: UNITS[kind] })
    const { activities, overheadMs } = await activityCost(
      temporal,
      times.slice(0, 20).map((time) => `coding-task/${time.taskId}`),
    )
    const aim = kind === 'read' ? '3' : kind === 'reviewed' ? '5' : ''
    note(`${kind}_activities`, '  activities a task', activities, { unit: '', target: aim })
    if (kind === 'read') {
      note('orchestration_ms', '  orchestration an activity', overheadMs, { target: '≤ 20 ms', per: null })
    }
    if (kind === 'reviewed') continue
    const aTurn = (count - talk.count) / samples / TOOL_TURNS
    note(`${kind}_transactions`, '  writing transactions a turn', aTurn, { unit: '', target: '2' })
  }
}

async function measureAtOnce(kind: Kind): Promise<void> {
  const projects: string[] = []
  for (let i = 0; i < PROJECTS; i++) projects.push(await openProject(target, kind))
  const before = snapshot()
  const startedAt = performance.now()
  const times = await Promise.all(projects.map((projectId) => runKind(target, projectId, kind, 1)))
  const wallMs = performance.now() - startedAt
  const after = snapshot()
  const cpu = new Map([...after].map(([name, use]) => [name, (use.cpuMs - (before.get(name)?.cpuMs ?? 0)) / PROJECTS]))
  const sum = (names: readonly string[]) => names.reduce((total, name) => total + (cpu.get(name) ?? 0), 0)
  const key = `${kind}_${PROJECTS}_at_once`
  note(`${key}_per_s`, `${PROJECTS} ten-turn tasks at once, ${NAMES[kind]}`, (PROJECTS * 1_000) / wallMs, {
    unit: 'tasks/s',
    target: '≥ 12 tasks/s',
    per: UNITS[kind],
  })
  note(`${key}_ms`, '  each, POST to end of stream, p50', median(totals(times)), { per: null })
  note(`${key}_cpu_ours_ms`, '  CPU a task: server + worker + Redis', sum(['server', 'worker', 'redis']), {
    target: '≤ 60 ms',
    per: UNITS[kind],
  })
  note(`${key}_cpu_ms`, '  CPU a task: all processes of the instance', sum([...cpu.keys()]), {
    target: '≤ 150 ms',
    per: null,
  })
  for (const [name, used] of cpu) note(`${key}_cpu_${name}_ms`, `    ${name}`, used, { per: null })
}

/** Projects that are made side by side instead of one after the other, each with its first task. */
async function measureNewAtOnce(): Promise<void> {
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: PROJECTS }, () => openProject(target, 'talk')))
  const tookMs = performance.now() - startedAt
  note(`new_${PROJECTS}_at_once_ms`, `${PROJECTS} new projects at once, each with a first task, all`, tookMs, {
    per: null,
  })
}

function measureMemory(): void {
  const parts = snapshot()
  for (const [name, aim] of [
    ['server', '≤ 150 MiB'],
    ['worker', '≤ 350 MiB'],
  ] as const) {
    const value = parts.get(name)?.residentMiB ?? 0
    note(`${name}_mib`, `resident memory: ${name}`, value, { unit: 'MiB', target: aim })
  }
}

async function measureAll(): Promise<void> {
  await measurePlainLoop()
  await measureTalk()
  const journal = await journalStepMs(env('DATABASE_URL'))
  note('journal_reply_ms', 'journal: store a reply, p50', journal.reply, { target: '≤ 2 ms', per: null })
  note('journal_result_ms', 'journal: store a result, p50', journal.result, { target: '≤ 2 ms', per: null })
  const checkpoint = await checkpointMs()
  note('checkpoint_ms', 'checkpoint, 1 of 43,000 files changed, p50', checkpoint.one, {
    target: '≤ 150 ms',
    per: 'plain_write_ms',
  })
  note('checkpoint_cold_ms', '  the same by another process, the first', checkpoint.cold, { per: null })
  const start = await commandStartMs()
  note('command_start_ms', 'warm command start over bwrap alone, p50', start.sandbox - start.bare, {
    target: '≤ 20 ms',
    per: null,
  })
  note('command_bare_ms', '  bwrap alone, p50', start.bare, { per: null })
  await measureSetUp()
  await measureKinds()
  const slowProject = await openProject(target, 'read')
  const slow: number[] = []
  for (let i = 0; i < (quick ? 1 : 3); i++) slow.push((await runSlow(target, slowProject, 500)).totalMs)
  note('slow_ms', '10 turns, 500 ms to first token, p50', median(slow), { per: null })
  note('slow_over', '  over the model’s own time', (median(slow) / (TURNS * 500) - 1) * 100, { unit: '%', per: null })
  for (const kind of quick ? (['write'] as const) : (['read', 'write', 'reviewed'] as const)) await measureAtOnce(kind)
  await measureNewAtOnce()
  measureMemory()
}

async function measurePage(): Promise<string> {
  const options = { databaseUrl: env('DATABASE_URL'), redisUrl: env('REDIS_URL'), setupUrl: env('KEELSON_SETUP_URL') }
  const browserPath = env('KEELSON_TEST_BROWSER')
  const webFolder = join(import.meta.dirname, '..', 'dist', 'web')
  const rows = await pageRows({ target, ...options, browserPath, webFolder })
  const width = Math.max(...rows.map((row) => row.what.length))
  return rows.map((row) => `${row.what.padEnd(width)}  ${row.measured.padStart(22)}  ${row.target}`).join('\n')
}

async function measureFigures(): Promise<string> {
  if (has('setup')) {
    await measureTalk()
    await measureSetUp()
    return tableOf(figures)
  }
  if (!has('cache')) await measureAll()
  figures.push(...(await cacheFigures(target)))
  return tableOf(figures)
}

const table = has('page') ? await measurePage() : await measureFigures()
process.stdout.write(`\nload ${loadBefore.toFixed(1)} before, Node ${process.version}\n\n${table}\n`)
if (has('--save')) process.stdout.write(`\nsaved as ${save(figures, loadBefore)}\n`)
if (has('--check')) {
  const before = lastSaved()
  const worse = before === null ? [] : worseThan(before, figures)
  const found =
    before === null ? 'no run of a machine like this one was saved' : `compared with the run of ${before.at}`
  process.stdout.write(`\n${found}\n${worse.map((line) => `WORSE ${line}\n`).join('')}`)
  if (worse.length > 0) process.exitCode = 1
}
