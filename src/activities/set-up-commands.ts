/** The commands of a set-up: one after the other, each under an id of its own, their output live and whole. */

import { tellProject } from '../db/workspace/environments.ts'
import type { ExecState } from '../sandbox/types.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import type { ShownSetupCommand } from '../shared/environment.ts'
import { EVENT_OUTPUT_BYTES } from '../shared/event-bounds.ts'
import { showOutput } from '../shared/text/clean-text.ts'
import { commandEnd } from '../tools/command-end.ts'
import { runExec } from '../tools/exec.ts'
import type { ActivityDeps } from './deps.ts'
import type { PlannedSetup, SetupLimits } from './planned-set-up.ts'
import { endsTask } from './run-activity.ts'

/** How long one command of a set-up and all of them together may take, in milliseconds. */
export const SETUP_LIMITS: SetupLimits = { commandMs: 600_000, totalMs: 15 * 60_000 }

const SHOWN_BYTES = 16 * 1024
/** How often a command is run that is lost each time. */
const MAX_RUNS = 3

/** How a set-up ended before its end. */
export interface FailedCommand {
  readonly name: string
  readonly command: string
  readonly exitCode: number | null
  /** In words, e.g. `exit code 1`. */
  readonly how: string
  /** The end of what it printed. */
  readonly output: string
}

/**
 * Runs the commands one after the other, each for 10 minutes at most and all for 15: the first that fails, or null, and when
 * the first one began. Throws the `sandbox_*` codes and what the run's signal says. Safe to repeat: what runs or has ended is
 * attached to.
 */
export async function runCommands(
  deps: ActivityDeps,
  at: PlannedSetup,
): Promise<{ readonly failed: FailedCommand | null; readonly startedAt: number }> {
  const { commandMs, totalMs } = at.limits ?? SETUP_LIMITS
  let leftMs = totalMs
  let startedAt = Date.now()
  for (const [index, command] of at.plan.commands.entries()) {
    const timeoutMs = Math.min(commandMs, leftMs)
    if (timeoutMs < 1) {
      const how = `not run: the ${totalMs / 60_000} minutes for a set-up were used up`
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
  await tellProject(deps.db, at.projectId, [
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
  await tellProject(deps.db, at.projectId, [
    { type: 'command.finished', key: `command.finished:${execId}`, scope, payload },
  ])
  if (state.status === 'exited' && state.exitCode === 0) return { failed: null, state }
  const how = state.status === 'exited' ? `exit code ${state.exitCode}` : state.status.replaceAll('_', ' ')
  return { failed: failure(command, state.exitCode, how, showOutput(output)), state }
}

function failure(command: ShownSetupCommand, exitCode: number | null, how: string, output: string): FailedCommand {
  return { name: command.name, command: command.command, exitCode, how, output }
}
