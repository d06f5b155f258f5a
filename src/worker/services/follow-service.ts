/**
 * One service from its start to its end, by the worker that holds it. Whoever follows it next attaches to the same command
 * and says nothing twice: the command's id is the service's, and what was published is known by its offset.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { applyEnvironment } from '../../activities/apply-environment.ts'
import type { Db } from '../../db/client.ts'
import {
  finishService,
  type HeldService,
  holdService,
  noteListening,
  outputIds,
  type ServiceEnd,
  type ServiceRow,
  serviceScope,
} from '../../db/workspace/services.ts'
import type { Publisher } from '../../events/publisher.ts'
import type { NewEvent } from '../../events/topics.ts'
import type { Log } from '../../logger.ts'
import { type ExecState, MAX_SERVICE_MS, type Sandbox, type ServiceDoors } from '../../sandbox/types.ts'
import type { Workspaces } from '../../sandbox/workspaces.ts'
import { AppError } from '../../shared/errors.ts'
import { EVENT_OUTPUT_BYTES } from '../../shared/event-bounds.ts'
import type { NetworkPolicy } from '../../shared/network.ts'
import { cleanText, showOutput } from '../../shared/text/clean-text.ts'
import { commandEnd, type KeptOutput } from '../../tools/command-end.ts'
import { choosePort } from './choose-port.ts'

/** What following a service needs; all of it is the worker's, which closes it. */
export interface FollowDeps {
  readonly db: Db
  readonly workspaces: Pick<Workspaces, 'open'>
  readonly publisher: Pick<Publisher, 'publishDelta'>
  readonly log: Log
  readonly defaultNetwork: NetworkPolicy
  /** A service that nobody looked at for this long is ended, in milliseconds. */
  readonly idleMs: number
}

/** At most so much of a service's output goes to the live stream; the rest is read from its log. */
const PUBLISHED_BYTES = 256 * 1024
const TAIL_BYTES = 8 * 1024
const POLL_BYTES = 64 * 1024
const HOLD_EVERY_MS = 1_000
const LOOK_WHILE_STARTING_MS = 200
const LOOK_WHILE_LISTENING_MS = 2_000
/** The least time between two published pieces, however fast a service prints. */
const PIECE_PAUSE_MS = 50
/** Variables for dev servers, which would otherwise expect a terminal or open a browser. */
const SERVICE_ENV = { CI: 'true', BROWSER: 'none', PYTHONUNBUFFERED: '1' }

interface Followed {
  readonly service: ServiceRow
  readonly owner: string
  readonly sandbox: Sandbox
  readonly doors: ServiceDoors
}

/** Why a service that is asked to end ends; `lost`: another worker follows it by now. */
type Verdict = 'go on' | 'lost' | { readonly reason: string | null }

/**
 * Starts the service's command, or attaches to it, and follows it until it has ended or `signal` aborts; then another
 * worker goes on. Throws what may be tried again (`store_unavailable`, `sandbox_unreachable` …); everything else is
 * recorded as the service's end.
 */
export async function followService(
  deps: FollowDeps,
  service: ServiceRow,
  owner: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    const sandbox = await deps.workspaces.open(service.projectId)
    if (sandbox.services === undefined) {
      throw new AppError('sandbox_bad_request', `Services are not available in a sandbox of kind ${sandbox.ref.kind}.`)
    }
    await follow(deps, { service, owner, sandbox, doors: sandbox.services }, signal)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    // A host that is full says so to whoever started the service; nobody waits hours for a place.
    if (error.retryable && error.code !== 'sandbox_busy') throw error
    const end: ServiceEnd = { state: 'exited', exitCode: null, reason: error.message, tail: '' }
    await finishService(deps.db, service, owner, end, null)
  }
}

async function follow(deps: FollowDeps, at: Followed, signal: AbortSignal): Promise<void> {
  const { service, owner, sandbox } = at
  const first = await verdict(deps, at)
  if (first === 'lost') return
  if (first !== 'go on' && (await sandbox.execs('services')).every(({ execId }) => execId !== service.execId)) {
    const end: ServiceEnd = { state: 'stopped', exitCode: null, reason: first.reason, tail: '' }
    return await finishService(deps.db, service, owner, end, null)
  }
  await applyEnvironment(deps, service.projectId, sandbox)
  const started = await sandbox.start({
    execId: service.execId,
    taskId: 'services',
    argv: { sh: service.command },
    env: SERVICE_ENV,
    timeoutMs: MAX_SERVICE_MS,
    network: true,
    service: true,
  })
  const over = new AbortController()
  // What is not shown live is in the log and in the closing event.
  const output = followOutput(deps, at, AbortSignal.any([signal, over.signal])).catch((error: unknown) =>
    deps.log.warn({ err: error, serviceId: service.id }, 'the output of a service is not shown live any more'),
  )
  try {
    const stopped = await watch(deps, at, signal, started)
    if (stopped === 'lost') return
    await output
    await finish(deps, at, stopped)
  } finally {
    over.abort()
  }
}

interface Stopped {
  readonly state: ExecState
  readonly asked: { readonly reason: string | null } | null
}

/** Looks at the service until it has ended; ends it when it is to end. */
async function watch(
  deps: FollowDeps,
  at: Followed,
  signal: AbortSignal,
  started: ExecState,
): Promise<Stopped | 'lost'> {
  const { sandbox, service } = at
  let state = started
  let heldAt = 0
  let lookedAt = 0
  let isListening = false
  while (state.status === 'running') {
    const now = performance.now()
    if (now - heldAt >= HOLD_EVERY_MS) {
      heldAt = now
      const found = await verdict(deps, at)
      if (found === 'lost') return 'lost'
      if (found !== 'go on') return { state: await sandbox.kill(service.execId), asked: found }
    }
    if (now - lookedAt >= (isListening ? LOOK_WHILE_LISTENING_MS : LOOK_WHILE_STARTING_MS)) {
      lookedAt = now
      isListening = (await lookAtPorts(deps, at)) || isListening
    }
    const waitMs = isListening ? HOLD_EVERY_MS : LOOK_WHILE_STARTING_MS
    // Output is read elsewhere: from this cursor on only the end is waited for.
    const poll = { cursor: Number.MAX_SAFE_INTEGER, maxBytes: 0, waitMs, signal }
    state = (await sandbox.poll(service.execId, poll)).state
  }
  const last = await verdict(deps, at)
  if (last === 'lost') return 'lost'
  return { state, asked: last === 'go on' ? null : last }
}

async function verdict({ db, idleMs }: FollowDeps, { service, owner }: Followed): Promise<Verdict> {
  const held: HeldService | null = await holdService(db, service.id, owner)
  if (held === null) return 'lost'
  if (held.isStopRequested) return { reason: null }
  if (held.isProjectDeleted) return { reason: 'Its project was deleted.' }
  if (held.unseenMs <= idleMs) return 'go on'
  return { reason: `Nobody looked at it for ${Math.round(idleMs / 60_000)} minutes.` }
}

/** Notes what the service listens on; whether it listens. */
async function lookAtPorts(deps: FollowDeps, { service, owner, sandbox, doors }: Followed): Promise<boolean> {
  const ports = await doors.ports(service.execId)
  if (ports.length === 0) return false
  const { head } = await sandbox.output(service.execId, { headBytes: TAIL_BYTES, tailBytes: 0 })
  const port = choosePort(ports, service.wantedPort, cleanText(Buffer.from(head).toString('utf8')))
  if (port === null) return false
  await noteListening(deps.db, service, owner, { port, ports })
  return true
}

/** Publishes what the service prints, as far as it is published, and settles at the command's end. */
async function followOutput(deps: FollowDeps, { service, sandbox }: Followed, signal: AbortSignal): Promise<void> {
  const scope = serviceScope(service.projectId)
  for (let cursor = 0; cursor < PUBLISHED_BYTES && !signal.aborted; ) {
    const poll = await sandbox.poll(service.execId, { cursor, maxBytes: POLL_BYTES, waitMs: HOLD_EVERY_MS })
    for (const { offset, data } of poll.chunks) {
      const payload = { ...outputIds(service.id), offset, stream: 'stdout' as const }
      const cut = Buffer.from(data).subarray(0, Math.max(0, PUBLISHED_BYTES - offset))
      if (cut.length === 0) continue
      deps.publisher.publishDelta({ type: 'output', scope, payload: { ...payload, data: cut.toString('base64') } }, 1)
    }
    if (poll.state.status !== 'running' && poll.cursor === cursor) return
    cursor = poll.cursor
    await sleep(PIECE_PAUSE_MS)
  }
}

async function finish(
  deps: FollowDeps,
  { service, owner, sandbox }: Followed,
  { state, asked }: Stopped,
): Promise<void> {
  const kept = await sandbox.output(service.execId, { headBytes: EVENT_OUTPUT_BYTES, tailBytes: EVENT_OUTPUT_BYTES })
  const last = await sandbox.output(service.execId, { headBytes: 0, tailBytes: TAIL_BYTES })
  const tail = showOutput({ head: new Uint8Array(), tail: last.tail, omittedBytes: 0 })
  await finishService(
    deps.db,
    service,
    owner,
    {
      state: asked === null ? 'exited' : 'stopped',
      exitCode: asked === null ? state.exitCode : null,
      reason: asked === null ? reasonOf(state) : asked.reason,
      tail,
    },
    finishedEvent(service, state, kept),
  )
}

function reasonOf(state: ExecState): string | null {
  if (state.reason !== undefined) return state.reason
  switch (state.status) {
    case 'timed_out':
      return 'It ran for seven days, which is the most.'
    case 'killed':
      return 'It was ended from outside, for instance because the files were restored; start it again.'
    case 'oom':
      return 'It was stopped because it used too much memory.'
    case 'lost':
      return 'The host lost track of it, for instance because it was restarted; start it again.'
    default:
      return null
  }
}

function finishedEvent(service: ServiceRow, state: ExecState, kept: KeptOutput): NewEvent {
  return {
    type: 'command.finished',
    key: `command.finished:${service.id}`,
    scope: serviceScope(service.projectId),
    payload: { ...outputIds(service.id), ...commandEnd(state, kept) },
  }
}
