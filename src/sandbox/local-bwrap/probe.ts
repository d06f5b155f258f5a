import { execFile, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import type { ProbeReport } from '../types.ts'
import { ARGS_FD, bwrapArgv } from './argv.ts'
import type { LimitKeeper } from './cgroup.ts'
import { lookAtHost } from './host-view.ts'
import type { Limits } from './limits.ts'
import { readHardLimits, writeSharedFiles } from './runner-state.ts'

const run = promisify(execFile)
const PROBE_TIMEOUT_MS = 10_000

/** What the sandbox says about itself from the inside; each line is one fact. */
const QUESTIONS = [
  'echo "uid $(id -u)"',
  'grep -E "^(Seccomp|CapEff|CapBnd):" /proc/self/status',
  'echo "interfaces $(tail -n +3 /proc/net/dev | grep -cv "^ *lo:")"',
  'if unshare -U true 2>/dev/null; then echo "nested yes"; else echo "nested no"; fi',
  'for tool in node git rg bash; do command -v $tool >/dev/null || echo "missing $tool"; done',
].join('\n')

export interface ProbeOptions {
  readonly bwrapPath: string | null
  readonly nodePath: string
  readonly limits: Limits
  /** Who keeps memory and processes within their limits here. */
  readonly keeper: LimitKeeper
}

/**
 * Runs one command exactly as commands are run and asks it what it sees. Writes only to a directory of its own, which it
 * removes. Never throws: what is missing is in the report, with the way to get it.
 */
export async function probeBwrap(options: ProbeOptions): Promise<ProbeReport> {
  const { bwrapPath } = options
  if (bwrapPath === null) return report(null, 'bubblewrap is not installed; on Debian: apt-get install bubblewrap')
  const missing = await findMissingTools()
  if (missing.length > 0) {
    return report(null, `${missing.join(', ')} not found; on Debian: apt-get install git ripgrep util-linux coreutils`)
  }
  const dir = mkdtempSync(path.join(tmpdir(), 'keelson-probe-'))
  try {
    const facts = await askSandbox(dir, bwrapPath, options)
    return judge(facts, options.keeper)
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    const hint =
      'Linux must allow user namespaces: on Ubuntu 24.04 add an AppArmor profile for bwrap, in Docker run unconfined'
    return report(null, `bubblewrap cannot make a sandbox here (${text.trim().slice(0, 300)}). ${hint}`)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

async function findMissingTools(): Promise<string[]> {
  const tools = ['/usr/bin/prlimit', '/usr/bin/mkfifo', 'git']
  const missing: string[] = []
  for (const tool of tools) {
    try {
      await run(tool, ['--version'], { env: { PATH: '/usr/local/bin:/usr/bin:/bin' }, timeout: PROBE_TIMEOUT_MS })
    } catch {
      // Not there or not runnable: for our purpose the same.
      missing.push(path.basename(tool))
    }
  }
  return missing
}

async function askSandbox(dir: string, bwrapPath: string, options: ProbeOptions): Promise<string> {
  const workspace = path.join(dir, 'workspace')
  mkdirSync(workspace)
  const shared = writeSharedFiles(dir)
  if (!existsSync(shared.seccompFile)) throw new Error(`no system call filter for ${process.arch}`)
  const { args, command } = bwrapArgv({
    ...shared,
    argv: ['/bin/sh', '-c', QUESTIONS],
    cwd: '',
    env: {},
    workspace,
    host: lookAtHost(options.nodePath),
    limits: options.limits,
    hardLimits: readHardLimits(),
  })
  const argsFile = path.join(dir, 'args')
  writeFileSync(argsFile, `${args.join('\0')}\0`)
  const fds = [openSync(argsFile, 'r'), openSync(shared.seccompFile, 'r')]
  try {
    return await new Promise((resolve, reject) => {
      const child = spawn(bwrapPath, ['--args', String(ARGS_FD), '--', ...command], {
        cwd: '/',
        env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
        stdio: ['ignore', 'pipe', 'pipe', 'pipe', ...fds],
        timeout: PROBE_TIMEOUT_MS,
        killSignal: 'SIGKILL',
      })
      let text = ''
      let complaint = ''
      child.stdout?.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      child.stderr?.on('data', (chunk: Buffer) => {
        complaint += chunk.toString()
      })
      child.on('error', reject)
      child.on('close', (code) => {
        if (code === 0) resolve(text)
        else reject(new Error(complaint || `it ended with ${code}`))
      })
    })
  } finally {
    for (const fd of fds) closeSync(fd)
  }
}

/** Turns the sandbox's answers into the report. Pure. */
export function judge(facts: string, keeper: LimitKeeper): ProbeReport {
  const seccomp = /^Seccomp:\s+2$/m.test(facts)
  const network = /^interfaces 0$/m.test(facts)
  const userNamespace =
    /^uid 1000$/m.test(facts) &&
    /^CapEff:\s+0+$/m.test(facts) &&
    /^CapBnd:\s+0+$/m.test(facts) &&
    /^nested no$/m.test(facts)
  const missing = [...facts.matchAll(/^missing (\S+)$/gm)].map((match) => match[1])
  const isolation = { userNamespace, network, seccomp, pidLimit: true, memoryLimit: true }
  if (missing.length > 0) return report(isolation, `${missing.join(', ')} cannot be found inside the sandbox`)
  if (!userNamespace) return report(isolation, 'commands would keep privileges of this host')
  if (!network) return report(isolation, 'commands would reach the network')
  if (!seccomp) return report(isolation, 'the system call filter is not active')
  return { ...report(isolation, ''), ok: true, detail: `bubblewrap works; ${limitsBy(keeper)}` }
}

function limitsBy(keeper: LimitKeeper): string {
  if (keeper === 'watchdog') {
    return 'processes and memory of a command are limited by kernel limits for each process and a watchdog, since no cgroup can be had'
  }
  return `processes and memory of a command are limited by a cgroup of its own (version ${keeper === 'cgroup-v2' ? 2 : 1})`
}

function report(isolation: ProbeReport['isolation'] | null, detail: string): ProbeReport {
  const none = { userNamespace: false, network: false, seccomp: false, pidLimit: false, memoryLimit: false }
  return { ok: false, kind: 'local-bwrap', detail, isolation: isolation ?? none }
}
