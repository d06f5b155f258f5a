/**
 * A project's set-up: its dependencies, as its lock files name them. One run at a time for each project, whoever asks; what
 * was begun before its worker died is gone on with, since its commands run under ids made of the task and the inputs.
 */

import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { log } from '@temporalio/activity'
import { type Attempt, acquireLease } from '../db/task/attempt.ts'
import { addNotice } from '../db/turn/notices.ts'
import {
  finishSetup,
  holdSetup,
  readSetup,
  SETUP_LEASE_MS,
  type SetupRow,
  tellProject,
} from '../db/workspace/environments.ts'
import { planSetup, type SetupPlan } from '../environment/look-at-inputs.ts'
import { deniedEvents, distinctDenials } from '../events/denied-events.ts'
import type { EventScope, NewEvent } from '../events/topics.ts'
import type { Sandbox } from '../sandbox/types.ts'
import type { Environment, ShownSetupCommand } from '../shared/environment.ts'
import { AppError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import type { NetworkDenial } from '../shared/network.ts'
import { showOutput } from '../shared/text/clean-text.ts'
import { commandEnd } from '../tools/command-end.ts'
import { runExec } from '../tools/exec.ts'
import type { Activities } from '../workflows/activities.ts'
import { applyEnvironment } from './apply-environment.ts'
import type { ActivityDeps } from './deps.ts'
import { openSandbox } from './open-sandbox.ts'
import { type ActivityRun, endsTask, runActivity } from './run-activity.ts'

const TOTAL_MS = 15 * 60_000
/** The longest that one command may run in a sandbox. */
const COMMAND_MS = 600_000
const SHOWN_BYTES = 16 * 1024
const EVENT_OUTPUT_BYTES = 128 * 1024
const MAX_LOCK_BYTES = 8 * 1024 * 1024
const WAIT_POLL_MS = 1_000

/** Whether a project's set-up is due: it never ran, failed, was asked for, or what it is made from moved. Pure. */
export function isSetupDue(environment: Environment, plan: SetupPlan, row: SetupRow, sandboxId: string): boolean {
  if (!environment.setup.enabled || plan.commands.length === 0) return false
  if (row.isRequested || row.state !== 'ready') return true
  return row.inputsHash !== plan.hash || row.sandbox !== sandboxId
}

/** What a task's set-up or one that nobody's task asked for needs. */
export interface SetupAsk {
  readonly projectId: string
  readonly scope: EventScope
  readonly sandbox: Sandbox
  readonly run: ActivityRun
  /** The task's, when there is one. */
  readonly attempt: Attempt | null
}

export function createSetupActivities(deps: ActivityDeps): Pick<Activities, 'setUpProject' | 'setUpAlone'> {
  return {
    setUpProject: runActivity(async (ref, run) => {
      const attempt = await acquireLease(deps.db, ref, run, 'setup')
      const sandbox = await openSandbox(deps, attempt, run.onProgress)
      await setUp(deps, { projectId: ref.projectId, scope: attempt.scope, sandbox, run, attempt })
      await sandbox.markLeftOut(ref.taskId)
    }),
    setUpAlone: runActivity(async ({ projectId }, run) => {
      const sandbox = await deps.workspaces.open(projectId, { onProgress: run.onProgress })
      const scope = { projectId, conversationId: null, taskId: null }
      await setUp(deps, { projectId, scope, sandbox, run, attempt: null })
    }),
  }
}

/**
 * Runs the set-up when it is due, or waits for the run that is under way. A command that fails ends it, and is told; it is
 * no error. Throws the `sandbox_*` codes and what the run's signal says. Safe to repeat.
 */
export async function setUp(deps: ActivityDeps, ask: SetupAsk): Promise<void> {
  const { projectId, sandbox, run } = ask
  const environment = await applyEnvironment(deps, projectId, sandbox)
  const owner = ask.attempt?.scope.taskId ?? `alone-${projectId}`
  const deadline = Date.now() + TOTAL_MS + SETUP_LEASE_MS
  for (;;) {
    const execId = `look-${newId('stp')}`
    const plan = await planSetup(sandbox, environment, { execId, taskId: owner, signal: run.signal })
    const row = await readSetup(deps.db, projectId)
    if (!isSetupDue(environment, plan, row, sandbox.ref.id)) return
    if (await holdSetup(deps.db, projectId, owner)) return await runPlan(deps, { ...ask, owner, plan })
    if (Date.now() > deadline) throw new AppError('sandbox_busy', 'Another set-up of this project does not end.')
    run.onProgress()
    await sleep(WAIT_POLL_MS, undefined, { signal: run.signal })
  }
}

interface PlannedSetup extends SetupAsk {
  readonly owner: string
  readonly plan: SetupPlan
}

async function runPlan(deps: ActivityDeps, at: PlannedSetup): Promise<void> {
  const { plan, owner, projectId, sandbox, run } = at
  const timer = setInterval(() => {
    run.onProgress()
    // A run that loses its hold is ended by nobody: it goes on, and what it records then counts for nothing.
    holdSetup(deps.db, projectId, owner).catch((error: unknown) => log.warn('a set-up could not be held', { error }))
  }, SETUP_LEASE_MS / 4)
  try {
    await deps.registriesReady()
    const key = `${owner}:${plan.hash.slice(0, 16)}`
    const startedAt = performance.now()
    const since = Date.now()
    const commands = plan.commands.map(({ name, command }) => ({ name, command }))
    await tell(deps, at, [
      { type: 'setup.started', key: `setup.started:${key}`, scope: at.scope, payload: { commands } },
    ])
    const locks = await readLocks(sandbox, plan.lockFiles)
    const failed = await runCommands(deps, at)
    const restored = await putBackLocks(sandbox, locks)
    const denied = await sandbox.denials(since)
    const durationMs = Math.round(performance.now() - startedAt)
    const state = failed === null ? 'ready' : 'failed'
    const end = {
      state,
      durationMs,
      exitCode: failed === null ? 0 : failed.exitCode,
      ...(failed ? { failed: failed.name } : {}),
    } as const
    const output = failed?.output ?? ''
    if (failed !== null && at.attempt !== null) {
      const text = failureNotice(failed, denied)
      await addNotice(at.attempt, {
        id: newId('stp'),
        lane: 'coder',
        key: `setup:${plan.hash.slice(0, 16)}`,
        text,
      })
    }
    await finishSetup(
      deps.db,
      { projectId, owner },
      { state, inputsHash: plan.hash, sandbox: sandbox.ref.id, durationMs, exitCode: end.exitCode, output },
      [
        ...deniedEvents(at.scope, denied, { key, command: 'set-up' }),
        {
          type: 'setup.finished',
          key: `setup.finished:${key}`,
          scope: at.scope,
          payload: { ...end, output, restored },
        },
      ],
    )
  } finally {
    clearInterval(timer)
  }
}

interface FailedCommand {
  readonly name: string
  readonly command: string
  readonly exitCode: number | null
  readonly how: string
  readonly output: string
}

/** Runs the commands one after the other; the first that fails, or null. */
async function runCommands(deps: ActivityDeps, at: PlannedSetup): Promise<FailedCommand | null> {
  let leftMs = TOTAL_MS
  for (const [index, command] of at.plan.commands.entries()) {
    const timeoutMs = Math.min(COMMAND_MS, leftMs)
    if (timeoutMs < 1) return failure(command, null, 'not run: the 15 minutes for a set-up were used up', '')
    const startedAt = performance.now()
    const failed = await runOne(deps, at, { command, index, timeoutMs })
    if (failed !== null) return failed
    leftMs -= Math.round(performance.now() - startedAt)
  }
  return null
}

async function runOne(
  deps: ActivityDeps,
  at: PlannedSetup,
  { command, index, timeoutMs }: { command: ShownSetupCommand; index: number; timeoutMs: number },
): Promise<FailedCommand | null> {
  const { scope, sandbox, run, owner, plan, attempt } = at
  const execId = execIdOf(owner, plan.hash, index)
  const ids = { toolUseId: execId, partId: `${execId}/output` }
  const cwd = command.cwd ?? ''
  await tell(deps, at, [
    {
      type: 'command.started',
      key: `command.started:${execId}`,
      scope,
      payload: { ...ids, command: command.command, cwd },
    },
  ])
  const { state, ...output } = await runExec(
    sandbox,
    {
      execId,
      taskId: owner,
      argv: { sh: `set -e\n${command.command}` },
      ...(cwd === '' ? {} : { cwd }),
      timeoutMs,
      network: true,
    },
    {
      signal: run.signal,
      shouldKill: endsTask,
      headBytes: SHOWN_BYTES,
      tailBytes: SHOWN_BYTES,
      onOutput(offset, data) {
        run.onProgress()
        if (attempt === null) return
        const payload = { ...ids, offset, stream: 'stdout' as const, data: Buffer.from(data).toString('base64') }
        deps.publisher.publishDelta({ type: 'output', scope, payload }, attempt.lease)
      },
    },
  )
  const kept = await sandbox.output(execId, { headBytes: EVENT_OUTPUT_BYTES, tailBytes: EVENT_OUTPUT_BYTES })
  const payload = { ...ids, ...commandEnd(state, kept) }
  await tell(deps, at, [{ type: 'command.finished', key: `command.finished:${execId}`, scope, payload }])
  if (state.status === 'exited' && state.exitCode === 0) return null
  const how = state.status === 'exited' ? `exit code ${state.exitCode}` : state.status.replaceAll('_', ' ')
  return failure(command, state.exitCode, how, showOutput(output))
}

function failure(command: ShownSetupCommand, exitCode: number | null, how: string, output: string): FailedCommand {
  return { name: command.name, command: command.command, exitCode, how, output }
}

/** The same for every attempt of one run, and another when an input moved. */
function execIdOf(owner: string, hash: string, index: number): string {
  const mark = createHash('sha256').update(`${owner}:${hash}`).digest('hex').slice(0, 20)
  return `setup-${mark}-${index}`
}

async function tell(deps: ActivityDeps, at: SetupAsk, events: readonly NewEvent[]): Promise<void> {
  await tellProject(deps.db, at.projectId, events)
}

function failureNotice({ command, how, output }: FailedCommand, denied: readonly NetworkDenial[]): string {
  const hosts =
    denied.length === 0
      ? ''
      : `\nRefused by the network policy: ${distinctDenials(denied)
          .map(({ host }) => host)
          .join(', ')}. Only a person can allow a host.`
  return `Notice: the project's set-up failed (${how}), so its dependencies may be missing and checks that need them cannot run. The command was:\n${command}\nThe end of its output:\n${output.slice(-4_000)}${hosts}`
}

async function readLocks(sandbox: Sandbox, paths: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> {
  const locks = new Map<string, Uint8Array>()
  for (const path of paths) {
    const { data, sizeBytes } = await sandbox.read(path, { maxBytes: MAX_LOCK_BYTES })
    if (data.length === sizeBytes) locks.set(path, data)
  }
  return locks
}

/** A set-up installs what a lock file says and leaves the file as it was; the paths that had to be put back. */
async function putBackLocks(sandbox: Sandbox, locks: ReadonlyMap<string, Uint8Array>): Promise<string[]> {
  const changed: string[] = []
  for (const [path, before] of locks) {
    const stat = await sandbox.stat(path)
    const now = stat?.kind === 'file' && stat.sizeBytes === before.length ? (await sandbox.read(path)).data : null
    if (now !== null && Buffer.compare(now, before) === 0) continue
    await sandbox.write([{ path, data: before }])
    changed.push(path)
  }
  return changed
}
