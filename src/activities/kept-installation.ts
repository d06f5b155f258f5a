/**
 * What a set-up installed, kept for the next sandbox of the project and for its forks: under the hash of all that it was made
 * from, outside of every command's reach, and brought back in place of the installers.
 */

import { createHash } from 'node:crypto'
import { log } from '@temporalio/activity'
import { originsOf } from '../db/workspace/forks.ts'
import { beginsAnew, placesOf } from '../environment/installed-places.ts'
import { KEEP, lookScript, MAX_PLACES, RESTORE, UNPACKING_DIR } from '../environment/kept-scripts.ts'
import type { SetupPlan } from '../environment/look-at-inputs.ts'
import type { ExecSpec, Sandbox } from '../sandbox/types.ts'
import { AppError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { runExec } from '../tools/exec.ts'
import type { ActivityDeps } from './deps.ts'
import type { KeptSource, PlannedSetup, SetupAsk } from './planned-set-up.ts'
import { endsTask } from './run-activity.ts'

/** Moves when kept installations are made or read in another way. */
const FORM = 1
const MOVE_MS = 120_000
const LOOK_MS = 30_000
const MAX_LIST_BYTES = 256 * 1024
const MAX_WORDS_BYTES = 4 * 1024

type Owned = Pick<SetupAsk, 'projectId' | 'sandbox' | 'run'> & { readonly owner: string }

/** What was found where a set-up installs, before it ran. */
export interface FoundInstalled {
  /** The kept installation that fits: the project's own, else of one that it was forked from. */
  readonly kept?: KeptSource
  /** Nothing lay there yet, so that all that lies there afterwards is the set-up's. */
  readonly isFresh: boolean
}

/**
 * Looks where a set-up installs, and with `mayRestore` for the kept installation of what it would be made from; there is none
 * where nothing may be replaced. Throws the `sandbox_*` codes and what the run's signal says. Safe to repeat.
 */
export async function findInstalled(
  deps: Pick<ActivityDeps, 'db'>,
  at: Owned,
  { plan, mayRestore }: { readonly plan: SetupPlan; readonly mayRestore: boolean },
): Promise<FoundInstalled> {
  const { kept } = at.sandbox
  const seen = kept === undefined || kept.maxBytes === 0 ? null : await lookAtInstalled(at, plan)
  if (kept === undefined || seen === null) return { isFresh: false }
  const isFresh = seen.places.length === 0
  if (!mayRestore) return { isFresh }
  const key = keyOf(plan.hash, seen)
  for (const projectId of [at.projectId, ...(await originsOf(deps.db, at.projectId))]) {
    if (kept.has(projectId, key)) return { isFresh, kept: { projectId, key, present: seen.places } }
  }
  return { isFresh }
}

/**
 * Brings a kept installation back: a sentence about it and how long it took, or null when it could not be had whole; then the
 * commands must run. Throws the `sandbox_*` codes and what the run's signal says. Safe to repeat: it attaches.
 */
export async function restoreKept(
  at: PlannedSetup,
  { projectId, key, present }: KeptSource,
): Promise<{ readonly output: string; readonly startedAt: number; readonly endedAt: number } | null> {
  const { sandbox, plan } = at
  const { state, output } = await move(at, {
    execId: `setup-${plan.runId}-kept`,
    argv: ['bash', '-c', RESTORE, 'restore', key, keptDirOf(sandbox), projectId === at.projectId ? '' : 'merge'],
    stdin: listOf(present),
    kept: { projectId, write: false },
  })
  if (state.status === 'exited' && state.exitCode === 0) {
    return { output, startedAt: state.startedAt, endedAt: state.endedAt ?? Date.now() }
  }
  log.warn('what an earlier set-up had installed could not be restored', { projectId, output })
  await sandbox.remove(UNPACKING_DIR)
  return null
}

/**
 * Keeps what a set-up has installed under the hash of its inputs as they are now, when all of it was detected, git tracks
 * none of it, and none of it is what commands of a task installed before. What cannot be kept is written to the log, and no error. Throws what the run's signal says. Safe to repeat.
 */
export async function keepInstalled(at: PlannedSetup, inputsHash: string): Promise<void> {
  const { sandbox, projectId } = at
  const maxBytes = sandbox.kept?.maxBytes ?? 0
  if (at.plan.isFresh !== true && !beginsAnew(at.plan.commands)) return
  try {
    const seen = maxBytes === 0 ? null : await lookAtInstalled(at, at.plan)
    if (seen === null) return
    const { state, output } = await move(at, {
      execId: `keep-${newId('stp')}`,
      argv: ['bash', '-c', KEEP, 'keep', keyOf(inputsHash, seen), keptDirOf(sandbox), String(maxBytes)],
      stdin: listOf(seen.places),
      kept: { projectId, write: true },
    })
    if (state.exitCode !== 0) log.info('what a set-up installed is not kept', { projectId, output })
  } catch (error) {
    at.run.signal.throwIfAborted()
    if (!(error instanceof AppError)) throw error
    log.warn('what a set-up installed could not be kept', { projectId, error })
  }
}

interface Installed {
  /** One line each. */
  readonly tools: readonly string[]
  /** Relative to the workspace, each byte as one character; none lies in another one. */
  readonly places: readonly string[]
}

function keyOf(inputsHash: string, { tools }: Installed): string {
  return createHash('sha256')
    .update(JSON.stringify([FORM, inputsHash, tools]))
    .digest('hex')
}

/** What is installed where these commands install; null when others than theirs may be at stake. */
async function lookAtInstalled(at: Owned, { commands }: Pick<SetupPlan, 'commands'>): Promise<Installed | null> {
  const searched = placesOf(commands)
  if (searched === null) return null
  const { head, omittedBytes, state } = await runExec(
    at.sandbox,
    {
      execId: `look-${newId('stp')}`,
      taskId: at.owner,
      argv: { sh: lookScript(searched) },
      timeoutMs: LOOK_MS,
    },
    { signal: at.run.signal, shouldKill: () => true, headBytes: MAX_LIST_BYTES, tailBytes: 0 },
  )
  const words = Buffer.from(head).toString('latin1').split('\0')
  const middle = words.indexOf('')
  const places = words.slice(middle + 1, -1)
  const isTracked = places.at(-1) === 'tracked'
  if (state.exitCode !== 0 || omittedBytes > 0 || middle === -1 || isTracked || places.length > MAX_PLACES) return null
  const outermost = places.filter((place) => !places.some((other) => place.startsWith(`${other}/`)))
  return { tools: words.slice(0, middle), places: outermost }
}

function keptDirOf(sandbox: Sandbox): string {
  if (sandbox.kept === undefined) throw new AppError('sandbox_bad_request', 'this sandbox keeps no installations')
  return sandbox.kept.dir
}

function listOf(places: readonly string[]): Uint8Array {
  return Buffer.from(places.map((place) => `${place}\0`).join(''), 'latin1')
}

async function move(at: Owned, spec: Pick<ExecSpec, 'execId' | 'argv' | 'kept'> & { readonly stdin: Uint8Array }) {
  const { head, state } = await runExec(
    at.sandbox,
    { ...spec, taskId: at.owner, timeoutMs: MOVE_MS },
    { signal: at.run.signal, shouldKill: endsTask, headBytes: MAX_WORDS_BYTES, tailBytes: 0 },
  )
  return { state, output: Buffer.from(head).toString('utf8').trim() }
}
