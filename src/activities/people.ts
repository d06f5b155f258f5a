import { log } from '@temporalio/activity'
import type { People } from '../agent/people.ts'
import { heldChangeText } from '../approvals/held-change-text.ts'
import type { Decided } from '../approvals/person-ask.ts'
import { policyAsk } from '../approvals/policy-ask.ts'
import { type Approval, MAX_OPEN } from '../db/task/approval-rows.ts'
import {
  decisionForTask,
  type HeldChange,
  heldChanges,
  MAX_ASKED,
  type OpenApproval,
  openApproval,
  tellHeldChange,
} from '../db/task/approvals.ts'
import type { Attempt } from '../db/task/attempt.ts'
import { getTask } from '../db/task/tasks.ts'
import type { Sandbox } from '../sandbox/types.ts'
import { heldHost, heldPath, NO_POLICY, rememberedFor } from '../shared/approval-policy.ts'
import { HOUR_MS } from '../shared/durations.ts'
import type { EnvironmentBody } from '../shared/environment.ts'
import { newId } from '../shared/ids.ts'
import { type ShellChanges, takeCheckpoint } from './checkpoints.ts'
import type { ActivityDeps } from './deps.ts'

/** Paths that are named one by one when a command changed more of them. */
const MAX_PATHS = 100

/** What asking people of a task needs. */
export interface PeopleAsk {
  readonly attempt: Attempt
  readonly sandbox: Sandbox
  readonly environment: EnvironmentBody
  /** Whether the workflow can wait for people; if not, what wants one is refused. */
  readonly mayAsk: boolean
  /** Told of the tree once something denied was put back. */
  onPutBack?(tree: string): void
}

/** The people of one task, as its tools and its commands ask them. */
export interface TaskPeople extends People {
  /** Has people decide on protected paths that a command changed. Called before the change is in a checkpoint. */
  onShellChanges(changes: ShellChanges): Promise<void>
}

/** The people around a project's coder, reached through the database, and the project's policy. */
export function peopleOf(deps: ActivityDeps, at: PeopleAsk): TaskPeople {
  const { db } = deps
  const { attempt, sandbox } = at
  const policy = at.environment.approvals ?? NO_POLICY
  const expiresMs = policy.expiresInHours * HOUR_MS
  // Calls of one reply ask at the same time, and people should see their questions in the reply's order.
  let last: Promise<unknown> = Promise.resolve()
  const open = (ask: OpenApproval): Promise<Approval | 'refused'> => {
    const mine = last.then(() => openApproval(attempt, ask))
    last = mine.catch(() => undefined)
    return mine
  }
  const hold = async (ask: OpenApproval): Promise<void> => {
    if ((await open(ask)) === 'refused')
      log.warn('nobody is asked: too many approvals', { taskId: attempt.scope.taskId })
  }
  return {
    mustAsk: (call) => policyAsk(policy, { ...call, root: sandbox.root }, expiresMs),
    async ask(call, ask) {
      if (!at.mayAsk) return { kind: 'refused', message: CANNOT_WAIT }
      const found = await open({ ...ask, key: call.toolUseId, turn: call.turn })
      if (found === 'refused') return { kind: 'refused', message: TOO_MANY }
      if (found.state === 'open') return { kind: 'waits' }
      return { kind: 'decided', decided: toDecided(found, found.state) }
    },
    async onDenied(call, hosts) {
      for (const host of new Set(hosts)) {
        const pattern = heldHost(host, policy.hosts)
        if (pattern === null || !at.mayAsk) continue
        const detail = { host, pattern, ...(call.command === null ? {} : { command: call.command }) }
        await hold({ key: `host:${host}`, turn: call.turn, kind: 'host', title: `Reach ${host}`, detail, expiresMs })
      }
    },
    async onShellChanges({ paths, from, tree, turn }) {
      const held = new Map<string, string>()
      for (const path of paths) {
        const pattern = heldPath(path, policy.paths)
        if (pattern !== null && rememberedFor(policy, 'path', path) !== 'approve') held.set(path, pattern)
      }
      const [pattern] = held.values()
      if (pattern === undefined || !at.mayAsk) return
      const all = [...held.keys()]
      if (await wasApproved(all)) return
      if ((await decisionForTask(db, attempt.scope.taskId, { kind: 'path', pattern })) === 'approved') return
      const title = `A command changed ${all.length === 1 ? all[0] : `${all[0]} and ${all.length - 1} more`}`
      const detail = { paths: all.slice(0, MAX_PATHS), pattern, from }
      await hold({ key: `tree:${turn}:${tree}`, turn, kind: 'path', title, detail, expiresMs })
    },
    async isHeld(settle) {
      if (policy.paths.length + policy.hosts.length === 0) return false
      // A change that is put back takes a checkpoint, which must be the newest one.
      await settle()
      let isOpen = false
      for (const change of await heldChanges(db, attempt.scope.taskId)) {
        if (change.state === 'open') isOpen = true
        else await tell(change)
      }
      return isOpen
    },
  }

  /** Whether a person let a file tool write all of these in this task: a change back and forth by a command is theirs too. */
  async function wasApproved(paths: readonly string[]): Promise<boolean> {
    const approved = await Promise.all(
      paths.slice(0, MAX_PATHS).map((path) => decisionForTask(db, attempt.scope.taskId, { kind: 'path', path })),
    )
    return approved.every((state) => state === 'approved')
  }

  /** What was not approved is put back, and the model is told either way, once. */
  async function tell(change: HeldChange): Promise<void> {
    const { from, paths = [] } = change.detail
    if (change.kind === 'path' && change.state !== 'approved' && from !== undefined) {
      await sandbox.restore(from, paths)
      const task = await getTask(db, attempt.scope.taskId)
      const toolPaths = new Set(paths)
      const tree = await takeCheckpoint(deps, {
        task,
        attempt,
        sandbox,
        turn: task.turn,
        label: 'denied change put back',
        toolPaths,
      })
      at.onPutBack?.(tree)
    }
    await tellHeldChange(attempt, { id: newId('req'), approvalId: change.id, text: heldChangeText(change) })
  }
}

const CANNOT_WAIT = 'Nobody can be asked in this task. Go on without it, and say at the end what is left.'
const TOO_MANY = `Nobody was asked: at most ${MAX_OPEN} things may wait for the user at a time, and a task may ask ${MAX_ASKED} times. Decide yourself or go on without it, and say at the end what you assumed or left out.`

function toDecided({ detail, answer, note, scope }: Approval, state: Decided['state']): Decided {
  return { state, detail, answer, note, scope }
}
