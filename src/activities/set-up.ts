/**
 * A project's set-up: its dependencies, as its lock files name them. One run at a time for each project, whoever asks; what
 * was begun before its worker died is gone on with: the commands and their ids are written down before the first one starts.
 */

import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { log } from '@temporalio/activity'
import { type Attempt, acquireLease } from '../db/task/attempt.ts'
import { addNotice } from '../db/turn/notices.ts'
import {
  beginSetup,
  finishSetup,
  readSetup,
  renewSetup,
  resumeSetup,
  SETUP_LEASE_MS,
  type SetupRow,
  tellProject,
} from '../db/workspace/environments.ts'
import { planSetup, type SetupPlan } from '../environment/look-at-inputs.ts'
import { deniedEvents, distinctDenials } from '../events/denied-events.ts'
import type { EventScope, NewEvent } from '../events/topics.ts'
import type { ExecState, Sandbox } from '../sandbox/types.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import type { Environment, ShownSetupCommand } from '../shared/environment.ts'
import { AppError } from '../shared/errors.ts'
import { EVENT_OUTPUT_BYTES } from '../shared/event-bounds.ts'
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
const MAX_LOCK_BYTES = 8 * 1024 * 1024
const WAIT_POLL_MS = 1_000
/** How often a command is run that is lost each time. */
const MAX_RUNS = 3

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
 * no error. Throws the `sandbox_*` codes and what the run's signal says. Safe to repeat: a run under way is gone on with, one
 * that this activity ended is not begun again.
 */
export async function setUp(deps: ActivityDeps, ask: SetupAsk): Promise<void> {
  const { projectId, sandbox, run } = ask
  const environment = await applyEnvironment(deps, projectId, sandbox)
  const owner = ask.attempt?.scope.taskId ?? `alone-${projectId}`
  const look = () => ({ execId: `look-${newId('stp')}`, taskId: owner, signal: run.signal })
  const deadline = Date.now() + TOTAL_MS + SETUP_LEASE_MS
  for (;;) {
    const row = await readSetup(deps.db, projectId)
    if (row.endedBy === run.id && row.state !== 'running' && !row.isRequested) return
    const isOwn = row.owner === owner && row.hasPlan
    // An installation half done moves what it is made from: that of a run under way was decided when it began.
    if (!isOwn) {
      const plan = await planSetup(sandbox, environment, look())
      if (!isSetupDue(environment, plan, row, sandbox.ref.id)) return
      // Whoever began it is gone, and nobody goes on with it; two installations at once would spoil each other.
      if (row.state === 'never' && row.owner !== null) await sandbox.killAll(row.owner)
      const begun = await beginRun(deps, { projectId, owner, sandbox, plan })
      if (begun !== null) return await runPlan(deps, { ...ask, owner, environment, ...begun })
    } else {
      const kept = await resumeSetup(deps.db, projectId, owner)
      if (kept !== null) {
        return await runPlan(deps, { ...ask, owner, environment, plan: JSON.parse(kept) as SetupRun, isResumed: true })
      }
    }
    if (Date.now() > deadline) throw new AppError('sandbox_busy', 'Another set-up of this project does not end.')
    run.onProgress()
    await sleep(WAIT_POLL_MS, undefined, { signal: run.signal })
  }
}

/** A run as it is written down when it begins. */
interface SetupRun extends Pick<SetupPlan, 'commands' | 'hash'> {
  /** Part of the ids of its commands. */
  readonly runId: string
  /** SHA-256 in hex of each lock file. */
  readonly locks: Readonly<Record<string, string>>
  /** The files as they were before it. */
  readonly tree: string
}

interface PlannedSetup extends SetupAsk {
  readonly owner: string
  readonly environment: Environment
  readonly plan: SetupRun
  /** Another attempt began it. */
  readonly isResumed: boolean
}

async function beginRun(
  deps: ActivityDeps,
  { projectId, owner, sandbox, plan }: { projectId: string; owner: string; sandbox: Sandbox; plan: SetupPlan },
): Promise<Pick<PlannedSetup, 'plan' | 'isResumed'> | null> {
  const { commands, hash, locks } = plan
  const fresh: SetupRun = { runId: newId('stp'), commands, hash, locks, tree: await sandbox.checkpoint() }
  const held = await beginSetup(deps.db, { projectId, owner }, JSON.stringify(fresh))
  hitCrashPoint('setup.begun')
  if (held === null) return null
  const known = JSON.parse(held) as SetupRun
  return { plan: known, isResumed: known.runId !== fresh.runId }
}

async function runPlan(deps: ActivityDeps, at: PlannedSetup): Promise<void> {
  const { plan, owner, projectId, sandbox, run } = at
  const timer = setInterval(() => {
    run.onProgress()
    // A run that loses its hold is ended by nobody: it goes on, and what it records then counts for nothing.
    renewSetup(deps.db, projectId, owner).catch((error: unknown) => log.warn('a set-up could not be held', { error }))
  }, SETUP_LEASE_MS / 4)
  try {
    const commands = plan.commands.map(({ name, command }) => ({ name, command }))
    const key = plan.runId
    await tell(deps, at, [
      { type: 'setup.started', key: `setup.started:${key}`, scope: at.scope, payload: { commands } },
    ])
    hitCrashPoint('setup.told')
    const texts = at.isResumed ? new Map<string, Uint8Array>() : await readLocks(sandbox, Object.keys(plan.locks))
    const { failed, startedAt } = await runCommands(deps, at)
    const restored = await putBackLocks(at, texts)
    const denied = await sandbox.denials(startedAt)
    const durationMs = Math.max(0, Date.now() - startedAt)
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
      await addNotice(at.attempt, { id: newId('stp'), lane: 'coder', key: `setup:${key}`, text })
    }
    // Lock files that it made are what the next look finds: they are no reason to do all of it again.
    const look = { execId: `look-${newId('stp')}`, taskId: owner, signal: run.signal }
    const inputsHash = failed === null ? (await planSetup(sandbox, at.environment, look)).hash : plan.hash
    hitCrashPoint('setup.before_finish')
    await finishSetup(
      deps.db,
      { projectId, owner, endedBy: run.id },
      { state, inputsHash, sandbox: sandbox.ref.id, durationMs, exitCode: end.exitCode, output },
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
    hitCrashPoint('setup.finished')
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

/** Runs the commands one after the other: the first that fails, or null, and when the first one began. */
async function runCommands(
  deps: ActivityDeps,
  at: PlannedSetup,
): Promise<{ readonly failed: FailedCommand | null; readonly startedAt: number }> {
  let leftMs = TOTAL_MS
  let startedAt = Date.now()
  for (const [index, command] of at.plan.commands.entries()) {
    const timeoutMs = Math.min(COMMAND_MS, leftMs)
    if (timeoutMs < 1) {
      const how = 'not run: the 15 minutes for a set-up were used up'
      return { failed: failure(command, null, how, ''), startedAt }
    }
    const { failed, state } = await runUntilKnown(deps, at, { command, index, timeoutMs })
    if (index === 0) startedAt = Math.min(startedAt, state.startedAt)
    if (failed !== null) return { failed, startedAt }
    // By the command's own times, so that a repeat counts the same.
    leftMs -= Math.max(0, (state.endedAt ?? Date.now()) - state.startedAt)
  }
  return { failed: null, startedAt }
}

interface OneCommand {
  readonly command: ShownSetupCommand
  readonly index: number
  readonly timeoutMs: number
}

interface EndedCommand {
  readonly failed: FailedCommand | null
  readonly state: ExecState
}

/** A command that was lost with its runner or its VM has installed nobody knows what: it is run again, twice at most. */
async function runUntilKnown(deps: ActivityDeps, at: PlannedSetup, one: OneCommand): Promise<EndedCommand> {
  for (let nth = 1; ; nth++) {
    const ended = await runOne(deps, at, one, nth)
    if (ended.state.status !== 'lost' || nth === MAX_RUNS) return ended
  }
}

async function runOne(
  deps: ActivityDeps,
  at: PlannedSetup,
  { command, index, timeoutMs }: OneCommand,
  nth: number,
): Promise<EndedCommand> {
  const { scope, sandbox, run, owner, plan, attempt } = at
  const execId = `setup-${plan.runId}-${index}${nth === 1 ? '' : `-${nth}`}`
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
        hitCrashPoint('setup.command.started')
        if (attempt === null) return
        const payload = { ...ids, offset, stream: 'stdout' as const, data: Buffer.from(data).toString('base64') }
        deps.publisher.publishDelta({ type: 'output', scope, payload }, attempt.lease)
      },
    },
  )
  hitCrashPoint('setup.command.ended')
  const kept = await sandbox.output(execId, { headBytes: EVENT_OUTPUT_BYTES, tailBytes: EVENT_OUTPUT_BYTES })
  const payload = { ...ids, ...commandEnd(state, kept) }
  await tell(deps, at, [{ type: 'command.finished', key: `command.finished:${execId}`, scope, payload }])
  if (state.status === 'exited' && state.exitCode === 0) return { failed: null, state }
  const how = state.status === 'exited' ? `exit code ${state.exitCode}` : state.status.replaceAll('_', ' ')
  return { failed: failure(command, state.exitCode, how, showOutput(output)), state }
}

function failure(command: ShownSetupCommand, exitCode: number | null, how: string, output: string): FailedCommand {
  return { name: command.name, command: command.command, exitCode, how, output }
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

/**
 * A set-up installs what a lock file says and leaves the file as it was; the paths that had to be put back. `texts`: their
 * contents; those that nobody read in time are taken from the tree.
 */
async function putBackLocks(
  { sandbox, plan }: PlannedSetup,
  texts: ReadonlyMap<string, Uint8Array>,
): Promise<string[]> {
  const changed: string[] = []
  for (const [path, hash] of Object.entries(plan.locks)) {
    const stat = await sandbox.stat(path)
    const isSmall = stat?.kind === 'file' && stat.sizeBytes <= MAX_LOCK_BYTES
    const now = isSmall ? (await sandbox.read(path, { maxBytes: MAX_LOCK_BYTES })).data : null
    if (now !== null && createHash('sha256').update(now).digest('hex') === hash) continue
    const before = texts.get(path)
    if (before === undefined) await sandbox.restore(plan.tree, [path])
    else await sandbox.write([{ path, data: before }])
    changed.push(path)
  }
  return changed
}
