import { detectChecks } from '../project/detect-checks.ts'
import { readProjectFiles } from '../project/project-files.ts'
import type { ExecState, Sandbox } from '../sandbox/types.ts'
import type { Check, CheckResult, LeftOutCheck } from '../shared/review.ts'
import { cutText, showOutput } from '../shared/text/clean-text.ts'
import { type EndedExec, killsOnAbort, QUIET_ENV, runExec } from '../tools/exec.ts'
import { whyNoTestRan } from './no-tests.ts'

const CHECK_TIMEOUT_MS = 300_000
const TOTAL_TIMEOUT_MS = 600_000
/**
 * Python trusts compiled files by the source's second and size, and a restore changes files within one: each check
 * compiles anew, in the directory that ends with its process.
 */
const CHECK_ENV = { ...QUIET_ENV, PYTHONPYCACHEPREFIX: '/tmp/pycache' }
const PROBE_TIMEOUT_MS = 20_000
const HEAD_BYTES = 2_000
const TAIL_BYTES = 5_800
const MAX_OUTPUT_CHARS = 8_000
const NO_TIME_LEFT = 'Not run: the time for all checks together was used up.'

/** Under which ids checks run, for how long, and who hears of them. */
export interface RunChecksOptions {
  readonly taskId: string
  /** Part of each exec id: a repeat of the same round attaches to what was started before. */
  readonly round: number
  /** First part of each exec id; another one runs the same checks anew. Default `check`. */
  readonly run?: string
  readonly signal: AbortSignal
  readonly shouldKill?: (reason: unknown) => boolean
  /** For all checks together. Default 600,000. */
  readonly totalTimeoutMs?: number
  readonly onOutput?: (check: Check, offset: number, data: Uint8Array) => void
}

/**
 * Runs the checks one after the other and returns what each did; at most 300 s each and `totalTimeoutMs` together, by
 * the commands' own durations, so that a repeat counts the same. A check for which no time is left is `timed_out`
 * without having run. Safe to repeat with the same `taskId`, `round` and `run`. Throws `signal.reason` and `sandbox_*`.
 */
export async function runChecks(
  sandbox: Sandbox,
  checks: readonly Check[],
  options: RunChecksOptions,
): Promise<CheckResult[]> {
  const results: CheckResult[] = []
  let leftMs = options.totalTimeoutMs ?? TOTAL_TIMEOUT_MS
  for (const [index, check] of checks.entries()) {
    const result = leftMs < 1 ? notRun(check, NO_TIME_LEFT) : await runCheck(sandbox, check, index, leftMs, options)
    leftMs -= result.durationMs
    results.push(result)
  }
  return results
}

async function runCheck(
  sandbox: Sandbox,
  check: Check,
  index: number,
  leftMs: number,
  { taskId, round, run = 'check', signal, shouldKill = killsOnAbort, onOutput }: RunChecksOptions,
): Promise<CheckResult> {
  const ended = await runExec(
    sandbox,
    {
      execId: `${run}-${taskId}-${round}-${index}`,
      taskId,
      argv: { sh: check.command },
      env: CHECK_ENV,
      timeoutMs: Math.min(CHECK_TIMEOUT_MS, Math.ceil(leftMs)),
      network: true,
    },
    {
      signal,
      shouldKill,
      headBytes: HEAD_BYTES,
      tailBytes: TAIL_BYTES,
      ...(onOutput === undefined ? {} : { onOutput: (offset, data) => onOutput(check, offset, data) }),
    },
  )
  return resultOf(check, ended)
}

function resultOf(check: Check, { state, ...output }: EndedExec): CheckResult {
  const shown = showOutput(output).trim()
  const result = {
    name: check.name,
    command: check.command,
    status: statusOf(state),
    exitCode: state.exitCode,
    durationMs: state.endedAt === null ? 0 : Math.max(0, state.endedAt - state.startedAt),
    output: cutText(shown, MAX_OUTPUT_CHARS),
  }
  const reason = result.status === 'passed' && output.omittedBytes === 0 ? whyNoTestRan(shown) : null
  return reason === null ? result : { ...result, status: 'not_run', reason }
}

function statusOf(state: ExecState): CheckResult['status'] {
  switch (state.status) {
    case 'exited':
      return state.exitCode === 0 && state.signal === null ? 'passed' : 'failed'
    case 'timed_out':
    case 'idle_timed_out':
      return 'timed_out'
    case 'killed':
    case 'oom':
      return 'failed'
    case 'lost':
      return 'lost'
    case 'running':
      throw new Error(`check ${state.execId} was taken for ended while it runs`)
  }
}

/** A check that was given no time: `timed_out` with `output` as the reason. */
export function notRun(check: Check, output: string): CheckResult {
  return { name: check.name, command: check.command, status: 'timed_out', exitCode: null, durationMs: 0, output }
}

/** The checks that can run in this sandbox, and those that cannot with their reasons. */
export interface AvailableChecks {
  readonly checks: readonly Check[]
  readonly leftOut: readonly LeftOutCheck[]
}

/**
 * The detected checks, each by the first of its commands whose program is installed in the sandbox; those without one are
 * left out and say what is missing. `touched` are the paths that changed, see `detectChecks`. One short command asks for all
 * of them; `execId` makes a repeat attach to it. When the question itself fails, all detected checks are returned: a check
 * that cannot run is seen, one that is left out is not.
 */
export async function detectProjectChecks(
  sandbox: Sandbox,
  options: {
    readonly taskId: string
    readonly execId: string
    readonly signal: AbortSignal
    readonly touched?: readonly string[]
  },
): Promise<AvailableChecks> {
  const files = await readProjectFiles(sandbox, options.touched)
  const { checks: detected, leftOut } = detectChecks(files, options.touched)
  const all = { checks: detected.map(({ name, command }) => ({ name, command })), leftOut }
  if (detected.length === 0) return all
  const commands = detected.flatMap((check) => [check, ...check.fallbacks])
  const script = commands
    .map(({ probe }, index) => `if ${probe} >/dev/null 2>&1; then echo "has ${index}"; fi`)
    .join('\n')
  const { state, ...output } = await runExec(
    sandbox,
    {
      execId: options.execId,
      taskId: options.taskId,
      argv: { sh: script },
      env: QUIET_ENV,
      timeoutMs: PROBE_TIMEOUT_MS,
      network: true,
    },
    { signal: options.signal, shouldKill: killsOnAbort, headBytes: 4_096, tailBytes: 0 },
  )
  if (state.status !== 'exited') return all
  const lines = new Set(showOutput(output).split('\n'))
  const present = new Set(commands.filter((_, index) => lines.has(`has ${index}`)))
  const usable = detected.map((check) => [check, ...check.fallbacks].find((way) => present.has(way)))
  return {
    checks: detected.flatMap(({ name }, index) => {
      const way = usable[index]
      return way === undefined ? [] : [{ name, command: way.command }]
    }),
    leftOut: [
      ...leftOut,
      ...detected
        .filter((_, index) => usable[index] === undefined)
        .map(({ name, command, needs }) => ({ name, command, reason: `${needs} is not installed in the sandbox` })),
    ],
  }
}
