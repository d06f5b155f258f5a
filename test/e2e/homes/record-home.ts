/**
 * Records a home as an earlier revision leaves it when everything is killed in the middle of a task:
 *
 *   node --import tsx test/e2e/homes/record-home.ts REVISION NAME [--tree DIRECTORY]
 *
 * writes `test/e2e/homes/NAME.tar.gz`. Root starts it, since owners are part of what is taken over. The revision is taken
 * from git, with its own dependencies and its own `npm start`; `--tree` names one that is prepared already, on the disk of
 * /tmp. Nothing of the recording machine is kept: it runs under another host name, secrets are left out, and a path of this
 * machine, its name or a secret in what is kept fails the recording.
 */

import { execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { readState, type State } from '../../../scripts/lib/state.mjs'
import { ApiClient } from '../../support/api.ts'
import { waitFor } from '../../support/wait-for.ts'
import { readRows } from './database-rows.ts'
import { readFacts } from './read-facts.ts'
import { playStory } from './story.ts'

const CHECKOUT = path.resolve(import.meta.dirname, '../../..')
const START_MS = 15 * 60_000
/** What a start makes anew, what holds a secret, and what only a living process uses. */
const LEFT_OUT = [
  'bin',
  'logs',
  'postgres',
  'redis',
  'test',
  'npm',
  'lock',
  'processes.json',
  'state.json',
  'api-token',
  'credentials.key',
]

/** Copies of the machine's certificates, and what the way out makes at each start. */
const OF_MACHINE = ['certificates', 'net']

const { positionals, values } = parseArgs({ allowPositionals: true, options: { tree: { type: 'string' } } })
const [revision, name] = positionals
if (revision === undefined || name === undefined) throw new Error('name a revision and what the recording is called')
if (process.getuid?.() !== 0) throw new Error('only root records owners: run this as root')

/** The same on every machine, since arguments of commands that ran hold it; nothing reads those again. */
const scratch = '/tmp/keelson-recorded'
mkdirSync(scratch, { mode: 0o711 })
try {
  await record(revision, name)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

async function record(revision: string, name: string): Promise<void> {
  const tree = path.join(scratch, 'tree')
  if (values.tree === undefined) prepareTree(tree, revision)
  else execFileSync('cp', ['-al', values.tree, tree])
  const home = path.join(scratch, 'home')
  const own = { PATH: process.env['PATH'], HOME: scratch, KEELSON_HOME: home, KEELSON_REGISTRIES: '=' }
  const asOtherHost = ['--uts', '/bin/sh', '-c', 'hostname recorder && exec "$@"', 'sh']
  const supervisor = spawn('unshare', [...asOtherHost, process.execPath, 'scripts/start.mjs'], {
    cwd: tree,
    env: own,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const state = await waitFor(() => readState(home), 'the home is up', START_MS)
  const api = new ApiClient(() => readState(home) ?? state)
  const story = await playStory(api)
  const latestSeq: Record<string, number> = {}
  for (const row of (await readRows(state.databaseUrl)).tables['events'] ?? []) {
    const event = JSON.parse(row) as { project_id: string; seq: number }
    latestSeq[event.project_id] = Math.max(latestSeq[event.project_id] ?? 0, Number(event.seq))
  }
  const facts = await readFacts(api, { taskIds: story.taskIds, latestSeq, paths: story.paths })
  api.close()
  supervisor.kill('SIGKILL')
  for (const part of ['worker', 'server', 'model', 'temporal'] as const) kill(state.processes[part])
  for (const pid of runners(home)) kill(pid)
  const stoppedAt = Date.now()
  const rows = await readRows(state.databaseUrl)
  for (const part of ['redis', 'postgres'] as const) kill(state.processes[part])
  for (const pid of leftovers()) kill(pid)

  const kept = path.join(scratch, 'kept')
  mkdirSync(path.join(kept, 'home'), { recursive: true })
  const modes = Object.fromEntries(
    [...LEFT_OUT, '.'].flatMap((entry) => {
      const stat = lstatSync(path.join(home, entry), { throwIfNoEntry: false })
      return stat === undefined ? [] : [[entry, stat.mode & 0o777]]
    }),
  )
  for (const entry of readdirSync(home)) {
    if (!LEFT_OUT.includes(entry)) execFileSync('cp', ['-a', path.join(home, entry), path.join(kept, 'home')])
  }
  for (const each of OF_MACHINE) rmSync(path.join(kept, 'home/sandboxes', each), { recursive: true, force: true })
  execFileSync('find', [path.join(kept, 'home'), '(', '-type', 's', '-o', '-type', 'p', ')', '-delete'])
  cpSync(path.join(tree, 'prisma/migrations'), path.join(kept, 'migrations'), { recursive: true })
  const hasAppRole = existsSync(path.join(home, 'postgres/app-password'))
  const recording = { stoppedAt, modes, hasAppRole, story, latestSeq, facts }
  writeFileSync(path.join(kept, 'recording.json'), JSON.stringify(recording))
  writeFileSync(path.join(kept, 'rows.json'), JSON.stringify(rows))
  refuseTraces(kept, state)
  const file = path.join(import.meta.dirname, `${name}.tar.gz`)
  execFileSync('tar', ['--sort=name', '--numeric-owner', '-I', 'gzip -9n', '-C', kept, '-cf', file, '.'])
  process.stdout.write(`${path.relative(CHECKOUT, file)}: ${lstatSync(file).size} bytes\n`)
}

/** The revision's own files with its own dependencies. */
function prepareTree(tree: string, revision: string): void {
  mkdirSync(tree)
  const archive = execFileSync('git', ['archive', revision], { cwd: CHECKOUT, maxBuffer: 1 << 28 })
  execFileSync('tar', ['-x', '-C', tree], { input: archive })
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: tree, stdio: 'inherit' })
}

function kill(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // ESRCH: it ended by itself, as its parent was gone.
  }
}

/** What holds the commands, as both layouts name it. */
function runners(home: string): number[] {
  const sandboxes = path.join(home, 'sandboxes')
  const names = existsSync(path.join(sandboxes, 'runners')) ? readdirSync(path.join(sandboxes, 'runners')) : []
  const files = [path.join(sandboxes, 'runner.json'), ...names.map((each) => path.join(sandboxes, 'runners', each))]
  return files
    .filter((file) => existsSync(file))
    .map((file) => (JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid)
}

/** Processes that were started with this home in their environment or arguments. */
function leftovers(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid && saysHome(pid))
}

function saysHome(pid: number): boolean {
  try {
    return ['environ', 'cmdline'].some((file) => readFileSync(`/proc/${pid}/${file}`, 'latin1').includes(scratch))
  } catch {
    // It ended in between.
    return false
  }
}

/** Throws when what is kept names this machine or its files, or opens anything. */
function refuseTraces(kept: string, state: State): void {
  const secrets = [state.apiToken, new URL(state.databaseUrl).password, new URL(state.redisUrl).password]
  for (const trace of [CHECKOUT, `@${hostname()}`, ...secrets]) {
    try {
      const found = execFileSync('grep', ['-rlaF', '-e', trace, kept], { encoding: 'utf8' })
      throw new Error(`the recording would keep a trace of this machine in ${found.replaceAll(kept, '')}`)
    } catch (error) {
      // grep ends with 1 when it finds nothing.
      if (!(error instanceof Error && 'status' in error && error.status === 1)) throw error
    }
  }
}
