/**
 * The program that asks a sandbox what it sees: started as the runner is, it becomes the user of commands as the runner does,
 * and runs one command as the runner would. Its argv is one JSON object, see {@link AskArgs}; it prints facts, one a line.
 */

import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { ARGS_FD, bwrapArgv } from './argv.ts'
import { type AskedCommand, askLimits, followCommand } from './ask-limits.ts'
import { type Cgroups, type CommandCgroup, openCgroups } from './cgroup.ts'
import { dropRights } from './drop-rights.ts'
import { launcherArgv } from './launcher.ts'
import type { RunnerArgs } from './runner-args.ts'
import { readHardLimits, writeSharedFiles } from './runner-state.ts'
import { canCountSegments } from './shared-segments.ts'

/** What `ask-sandbox` takes: all that a runner takes, and a place of its own for the question. */
export interface AskArgs extends RunnerArgs {
  /** A directory of this question's own with a `workspace` in it, which whoever asks removes. */
  readonly askDir: string
  /** Names the cgroups of this question, which whoever asks removes. */
  readonly askIdentity: string
  /** Paths that commands must not see anything at. */
  readonly privatePaths: readonly string[]
}

const TIMEOUT_MS = 10_000

/** What the sandbox says about itself from the inside; its arguments are paths that must be empty or missing. */
const QUESTIONS = `
echo "uid $(id -u)"
grep -E "^(Seccomp|CapEff|CapBnd|NoNewPrivs):" /proc/self/status
echo "interfaces $(tail -n +3 /proc/net/dev | grep -cv "^ *lo:")"
if unshare -U true 2>/dev/null; then echo "nested yes"; else echo "nested no"; fi
for tool in node git rg bash; do command -v $tool >/dev/null || echo "missing $tool"; done
for file in /proc/sys/kernel/core_pattern /proc/sys/vm/overcommit_memory /proc/sys/kernel/shmmax /proc/sysrq-trigger; do
  if (: >>"$file") 2>/dev/null; then echo "writable $file"; fi
done
grep -rlsE "PRIVATE KEY" /etc | sed 's/^/key /' | head -n 3
for fd in /proc/self/fd/*; do
  if [ "\${fd##*/}" -gt 2 ] && [ -e "$fd" ]; then echo "descriptor \${fd##*/}"; fi
done
for place in "$@"; do
  if [ -n "$(ls -A "$place" 2>/dev/null)" ]; then echo "seen $place"; fi
done
echo end`

const args = JSON.parse(process.argv[2] ?? '') as AskArgs
const cgroups = findCgroups()
dropRights(args.user)
const status = readFileSync('/proc/self/status', 'latin1')
for (const name of ['Uid', 'Gid', 'Groups']) {
  tell(`outer ${new RegExp(`^${name}:.*$`, 'm').exec(status)?.[0].replace(/\s+/g, ' ') ?? name}`)
}
const countsSegments = cgroups === null && canCountSegments()
const shared = writeSharedFiles(args.askDir, args.host, cgroups !== null || countsSegments)
if (args.bwrapPath === null || !existsSync(shared.seccompFile)) throw new Error(`no filter for ${process.arch}`)
const bwrapPath = args.bwrapPath
const general = start(['/bin/sh', '-c', QUESTIONS, 'sh', ...args.privatePaths])
process.exitCode = await general.ended
process.stdout.write(general.output())
// Where no sandbox can be made there is nothing more to ask, and the reason was said once.
if (process.exitCode === 0) for (const fact of await askLimits(cgroups, { start, countsSegments })) tell(fact)

function tell(fact: string): void {
  process.stdout.write(`${fact}\n`)
}

/** As the runner finds them, which may be root's until it gives up its rights. */
function findCgroups(): Cgroups | null {
  const { dir, askIdentity: identity, user, keeper } = args
  if (keeper === 'watchdog') return null
  return openCgroups({ dir, identity, ...(user && { owner: user }), ...(keeper && { only: keeper }) })
}

/** Starts a command as the runner would. */
function start(argv: readonly string[], cgroup: CommandCgroup | null = null): AskedCommand {
  const { args: words, command } = bwrapArgv({
    ...shared,
    argv,
    cwd: '',
    env: {},
    workspace: path.join(args.askDir, 'workspace'),
    host: args.host,
    limits: args.limits,
    hardLimits: readHardLimits(),
  })
  const argsFile = path.join(args.askDir, 'args')
  writeFileSync(argsFile, `${words.join('\0')}\0`)
  const fds = [openSync(argsFile, 'r'), openSync(shared.seccompFile, 'r')]
  const bwrap = [bwrapPath, '--args', String(ARGS_FD), '--', ...command]
  const [program = '', ...rest] = launcherArgv(bwrap, { cgroupFiles: cgroup?.procsFiles ?? [] })
  const child = spawn(program, rest, {
    cwd: '/',
    env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    stdio: ['ignore', 'pipe', 'inherit', 'pipe', ...fds],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  for (const fd of fds) closeSync(fd)
  return followCommand(child)
}
