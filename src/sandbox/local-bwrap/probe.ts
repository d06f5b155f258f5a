import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { AppError } from '../../shared/errors.ts'
import type { ProbeReport, Protection } from '../types.ts'
import type { AskArgs } from './ask-sandbox.ts'
import { forgetCgroups, type LimitKeeper } from './cgroup.ts'
import { noSandboxSentence, SECCOMP, USER_NAMESPACES } from './no-sandbox.ts'
import { PROGRAM_ENV, programCommand } from './own-program.ts'
import type { RunnerPlan } from './plan-runner.ts'
import { giveTo } from './take-over.ts'

const run = promisify(execFile)
const TOOL_TIMEOUT_MS = 10_000
const ASK_TIMEOUT_MS = 30_000
/** A question of which a process was killed (for want of memory, say) tells nothing about the host, so it is put again. */
const MAX_ASKS = 3
const PAUSE_MS = 200
/** No further question after this time. */
const PATIENCE_MS = 10_000

/** What a probe asks with. */
export interface ProbeOptions {
  /** Base directory of the sandboxes, as this process finds it. */
  readonly dir: string
  readonly bwrapPath: string | null
  readonly nodePath: string
  /** Who commands are and how they are started. Throws `sandbox_unavailable` where they cannot be. */
  plan(): Promise<RunnerPlan>
}

/**
 * Runs one command exactly as commands are run and asks it what it sees. Writes only to a directory of its own, which it
 * removes. Never throws: what is missing is in the report, with the way to get it.
 */
export async function probeBwrap(options: ProbeOptions): Promise<ProbeReport> {
  if (process.platform !== 'linux') return refusal('bubblewrap runs on Linux only; use SANDBOX_PROVIDER=e2b')
  if (options.bwrapPath === null) return refusal('bubblewrap is not installed; on Debian: apt-get install bubblewrap')
  const missing = await findMissingTools()
  if (missing.length > 0) {
    return refusal(`${missing.join(', ')} not found; on Debian: apt-get install git ripgrep util-linux coreutils`)
  }
  const giveUpAt = performance.now() + PATIENCE_MS
  for (let asks = 1; ; asks++) {
    const report = await ask(options)
    if (report.ok || asks === MAX_ASKS || performance.now() > giveUpAt) return report
    await sleep(PAUSE_MS)
  }
}

async function ask(options: ProbeOptions): Promise<ProbeReport> {
  try {
    const plan = await options.plan()
    return judge(await askSandbox(options, plan), plan)
  } catch (error) {
    if (error instanceof AppError) return refusal(error.message)
    const text = error instanceof Error ? error.message : String(error)
    return refusal(noSandboxSentence(text))
  }
}

async function findMissingTools(): Promise<string[]> {
  const tools = ['/usr/bin/prlimit', '/usr/bin/mkfifo', '/bin/bash', 'git']
  const missing: string[] = []
  for (const tool of tools) {
    try {
      await run(tool, ['--version'], { env: { PATH: '/usr/local/bin:/usr/bin:/bin' }, timeout: TOOL_TIMEOUT_MS })
    } catch {
      // Not there or not runnable: for our purpose the same.
      missing.push(path.basename(tool))
    }
  }
  return missing
}

async function askSandbox({ dir, nodePath }: ProbeOptions, plan: RunnerPlan): Promise<string> {
  const name = `ask-${randomBytes(6).toString('hex')}`
  const askDir = path.join(dir, name)
  try {
    mkdirSync(path.join(askDir, 'workspace'), { recursive: true, mode: 0o700 })
    for (const made of [askDir, path.join(askDir, 'workspace')]) giveTo(plan.user, made)
    const args: AskArgs = {
      ...plan.args,
      askDir: path.join(plan.args.dir, name),
      askIdentity: name,
      privatePaths: plan.privatePaths,
    }
    const [program = '', ...rest] = plan.commandFor(programCommand('ask-sandbox', nodePath, args))
    const { stdout } = await run(program, rest, {
      cwd: '/',
      env: PROGRAM_ENV,
      timeout: ASK_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    return stdout
  } catch (error) {
    // The first line repeats the whole command; what the programs said follows.
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : ''
    throw said.trim() === '' ? error : new Error(said, { cause: error })
  } finally {
    forgetCgroups({ dir: plan.args.dir, identity: name })
    rmSync(askDir, { recursive: true, force: true })
  }
}

/** Turns the sandbox's answers into the report. Pure. */
export function judge(facts: string, { user }: Pick<RunnerPlan, 'user'>): ProbeReport {
  const all = (name: string) => [...facts.matchAll(new RegExp(`^${name} (.+)$`, 'gm'))].map((match) => match[1] ?? '')
  const has = (pattern: RegExp) => pattern.test(facts)
  // An ordinary user may be in root's group, as OpenShift's are; root's commands never are.
  const outer = all('outer')
    .filter((line) => user !== null || line.startsWith('Uid:'))
    .flatMap((line) => line.split(' ').slice(1))
  const whose = user === null ? 'the user who started Keelson' : `user ${user.uid}`
  const row = (name: string, by: string, problem: string | null): Protection => ({
    name,
    holds: problem === null,
    by,
    detail: problem ?? 'asked from inside a sandbox',
  })
  const unless = (holds: boolean, problem: string) => (holds ? null : problem)
  const named = (found: readonly string[], problem: (names: string) => string) =>
    found.length === 0 ? null : problem(found.slice(0, 3).join(', '))
  const keeper = KEEPERS.find((each) => all('keeper').includes(each)) ?? 'watchdog'
  const isKept = (what: string) => has(new RegExp(`^${what} kept$`, 'm'))
  const isWhole = has(/^end$/m)
  const isConfined = has(/^uid 1000$/m) && has(/^CapEff:\s+0+$/m) && has(/^CapBnd:\s+0+$/m) && has(/^NoNewPrivs:\s+1$/m)
  const protections = [
    row(
      'user',
      whose,
      unless(
        outer.length >= 4 && !outer.includes('0'),
        'commands would be root outside of their sandbox or in its group: set KEELSON_SANDBOX_USER to an unprivileged user',
      ),
    ),
    row(
      'namespaces',
      'user, process, mount and IPC namespaces without capabilities',
      unless(isConfined && has(/^nested no$/m), `commands would keep privileges of this host. ${USER_NAMESPACES}`),
    ),
    row(
      'network',
      'a network namespace of its own',
      unless(has(/^interfaces 0$/m), `commands would reach the network. ${USER_NAMESPACES}`),
    ),
    row(
      'system-calls',
      'a seccomp filter',
      unless(has(/^Seccomp:\s+2$/m), `the system call filter is not active. ${SECCOMP}`),
    ),
    row(
      'kernel-settings',
      '/proc/sys and its like are read-only',
      named(all('writable'), (names) => `${names} could be written by commands: mount /proc in full for the worker`),
    ),
    row(
      'private-keys',
      'a copy of the public certificates alone',
      named(all('key'), (names) => `commands would read private keys: ${names}; let only root read them`),
    ),
    row(
      'descriptors',
      'closed where the runner starts',
      named(all('descriptor'), (names) => `descriptors that Keelson inherited reach commands: ${names}`),
    ),
    row(
      'own-files',
      'not mounted, or covered',
      named(all('seen'), (names) => `commands would see ${names}: move it to a directory of its own`),
    ),
    ...['memory', 'processes'].map((name) => ({
      name,
      holds: isKept(name),
      by: KEPT_BY[keeper],
      detail: isKept(name) ? KEPT_FOR[keeper] : notKept(name, keeper),
    })),
  ]
  const isolation = {
    userNamespace: protections.every(({ name, holds }) => holds || !['user', 'namespaces'].includes(name)),
    network: has(/^interfaces 0$/m),
    seccomp: has(/^Seccomp:\s+2$/m),
    pidLimit: isKept('processes'),
    memoryLimit: isKept('memory'),
  }
  const missing = all('missing')
  const problems = [
    ...(isWhole ? [] : ['the sandbox did not answer all questions']),
    ...protections.filter(({ holds }) => !holds).map(({ detail }) => detail),
    ...(missing.length === 0 ? [] : [`${missing.join(', ')} cannot be found inside the sandbox`]),
  ]
  const ok = problems.length === 0
  const detail = ok ? `bubblewrap works, commands are ${whose} outside; ${limitedBy(keeper)}` : problems.join('; ')
  return { ok, kind: 'local-bwrap', detail, isolation, protections }
}

function limitedBy(keeper: LimitKeeper): string {
  return `processes and memory are limited by ${KEPT_BY[keeper]}`
}

function notKept(name: string, keeper: LimitKeeper): string {
  if (keeper === 'watchdog') {
    return `the ${name} of commands cannot be seen from outside: mount /proc for the worker without hidepid, or let it make cgroups`
  }
  return (
    `a command went beyond the limit of its cgroup (${name}): where there is swap, start the kernel with swapaccount=1; ` +
    'without a writable cgroup a watchdog keeps the limits'
  )
}

const KEEPERS: readonly LimitKeeper[] = ['cgroup-v2', 'cgroup-v1', 'watchdog']

const KEPT_FOR: Readonly<Record<LimitKeeper, string>> = {
  'cgroup-v2': 'tried from inside a sandbox: the kernel refuses what is beyond the limit',
  'cgroup-v1': 'tried from inside a sandbox: the kernel refuses what is beyond the limit',
  watchdog:
    'a sandbox was measured from outside; a command may get beyond its limit for a moment before it is ended; a writable cgroup would hold it',
}

const KEPT_BY: Readonly<Record<LimitKeeper, string>> = {
  'cgroup-v2': 'a cgroup (version 2) for each command',
  'cgroup-v1': 'a cgroup (version 1) for each command',
  watchdog: 'kernel limits for each process and a watchdog, since no cgroup can be had',
}

function refusal(detail: string): ProbeReport {
  const none = { userNamespace: false, network: false, seccomp: false, pidLimit: false, memoryLimit: false }
  return { ok: false, kind: 'local-bwrap', detail, isolation: none, protections: [] }
}
