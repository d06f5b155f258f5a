import type { StreamEvent } from '../events/topics.ts'
import type { Finding, RoundVerdict } from '../shared/review.ts'
import { addUsage, NO_DIFF, NO_USAGE } from '../shared/task.ts'
import { bytesOf } from './bytes.ts'
import type { CommandView, RoundView, StepView, TaskView } from './state.ts'

const MAX_TURNS_A_FILE = 50

type Durable = Extract<StreamEvent, { seq: number }>

/** A task of which only its first event is known; `at` in milliseconds. Pure. */
export function newTask(id: string, event: { conversationId?: string; at: number }): TaskView {
  return {
    id,
    conversationId: event.conversationId ?? null,
    status: 'accepted',
    phase: 'preparing',
    turn: 0,
    round: 0,
    model: null,
    waitingFor: null,
    acceptedAt: event.at,
    startedAt: null,
    endedAt: null,
    outcome: null,
    reason: null,
    sandbox: null,
    setup: null,
    context: null,
    review: null,
    reviewSkipped: null,
    rounds: [],
    commands: [],
    files: [],
    checkpoints: [],
    diffStat: NO_DIFF,
    leftOut: [],
    evidence: null,
    evidenceGaps: [],
    usage: NO_USAGE,
    costUsd: 0,
    retrying: null,
    silence: null,
    openApprovals: [],
    plan: [],
    budget: null,
    killed: [],
    reviewerTurns: [],
    steps: [],
  }
}

/** Folds one durable event into its task; an event that says nothing about tasks returns the task itself. */
export function reduceTask(task: TaskView, event: Durable): TaskView {
  const step = stepOf(event)
  const reduced = reduceProgress(task, event)
  return step === null ? reduced : { ...reduced, steps: [...reduced.steps, step] }
}

function stepOf(event: Durable): StepView | null {
  const order = event.seq
  switch (event.type) {
    case 'sandbox.ready':
      return { kind: 'sandbox_ready', order, durationMs: event.durationMs, reused: event.reused }
    case 'sandbox.lost':
      return { kind: 'sandbox_lost', order, detail: event.detail }
    case 'context.generated':
      return { kind: 'context', order, tokens: event.tokens, reused: false, durationMs: event.durationMs }
    case 'context.reused':
      return { kind: 'context', order, tokens: event.tokens, reused: true, durationMs: null }
    case 'memory.remembered':
      return { kind: 'remembered', order, facts: event.facts }
    case 'setup.finished':
      return {
        kind: 'setup',
        order,
        state: event.state,
        durationMs: event.durationMs,
        fromCache: event.fromCache ?? false,
      }
    case 'approval.resolved':
      return {
        kind: 'approval_resolved',
        order,
        title: event.title,
        decision: event.decision,
        answer: event.answer ?? null,
        by: event.by ?? null,
      }
    case 'network.denied':
      return { kind: 'network_denied', order, host: event.host, reason: event.reason }
    case 'context.compacted':
      return { kind: 'compacted', order, before: event.before, after: event.after }
    case 'task.resumed':
      return { kind: 'resumed', order, attempt: event.attempt }
    case 'turn.reset':
      return { kind: 'turn_repeated', order, attempt: event.attempt }
    case 'budget.warning':
    case 'budget.reached': {
      const kind = event.type === 'budget.warning' ? 'budget_warning' : 'budget_reached'
      return { kind, order, budgetKind: event.kind, used: event.used, limit: event.limit }
    }
    case 'model.substituted':
      return { kind: 'model_substituted', order, message: event.message }
    case 'review.skipped':
      return { kind: 'review_skipped', order, reason: event.reason }
    default:
      return null
  }
}

function reduceProgress(task: TaskView, event: Durable): TaskView {
  switch (event.type) {
    case 'task.accepted':
      return event.joined ? task : { ...task, waitingFor: event.waitingFor ?? null }
    case 'task.started':
      return { ...task, status: 'running', model: event.model, startedAt: event.at, waitingFor: null }
    case 'task.resumed':
      return { ...task, status: waits(task) ? 'running' : task.status }
    case 'task.cancel_requested':
      return { ...task, status: 'cancelling' }
    case 'task.completed':
    case 'task.failed':
    case 'task.cancelled':
      return endTask(task, event)
    case 'sandbox.progress':
      return { ...task, sandbox: { provider: task.sandbox?.provider ?? '', state: 'starting', detail: event.text } }
    case 'sandbox.starting':
      return { ...task, phase: 'preparing', sandbox: { provider: event.provider, state: 'starting' } }
    case 'sandbox.ready':
      return { ...task, sandbox: { provider: event.provider, state: 'ready' } }
    case 'sandbox.lost':
      return { ...task, sandbox: { provider: event.provider, state: 'lost' } }
    case 'setup.started':
      return { ...task, phase: task.turn === 0 ? 'setup' : task.phase, setup: { state: 'running' } }
    case 'setup.finished':
      return { ...task, setup: { state: event.state } }
    case 'context.generated':
    case 'context.reused': {
      const phase = task.turn === 0 ? 'context' : task.phase
      return { ...task, phase, context: { hash: event.hash, tokens: event.tokens } }
    }
    case 'turn.started':
      return startTurn(task, event.turn ?? task.turn, event.role)
    case 'turn.reset':
      return { ...task, retrying: null, silence: null }
    case 'turn.finished': {
      const costUsd = task.costUsd === null || event.costUsd === null ? null : task.costUsd + event.costUsd
      return { ...task, retrying: null, silence: null, usage: addUsage(task.usage, event.usage), costUsd }
    }
    case 'tool.requested':
      return task.silence === null ? task : { ...task, silence: null }
    case 'model.reading':
      return { ...task, silence: { ms: event.waitedMs, isWithinReply: event.waitsFor === 'reply' } }
    case 'model.retrying':
      return {
        ...task,
        silence: null,
        retrying: { message: event.message, attempt: event.attempt, delayMs: event.delayMs },
      }
    case 'budget.warning':
      return { ...task, budget: { kind: event.kind, used: event.used, limit: event.limit } }
    case 'budget.reached':
      return { ...task, status: 'needs_budget', budget: { kind: event.kind, used: event.used, limit: event.limit } }
    case 'approval.requested':
      return {
        ...task,
        status: task.status === 'running' ? 'needs_answer' : task.status,
        openApprovals: [...task.openApprovals, event.approvalId],
      }
    case 'approval.resolved':
      return resolveApproval(task, event.approvalId)
    case 'plan.updated':
      return { ...task, plan: event.items }
    case 'command.started':
      return { ...task, commands: [...task.commands.filter((known) => known.partId !== event.partId), started(event)] }
    case 'command.finished':
      return { ...task, commands: finishCommand(task.commands, event) }
    case 'file.changed': {
      const { path, kind, added, removed, source } = event
      const others = task.files.filter((file) => file.path !== path)
      const known = task.files.find((file) => file.path === path)?.turns ?? []
      const turn = event.turn ?? 0
      const turns = turn === 0 || known.includes(turn) ? known : [...known, turn].slice(-MAX_TURNS_A_FILE)
      return { ...task, files: [...others, { path, kind, added, removed, source, turns }] }
    }
    case 'diff.updated':
      return { ...task, diffStat: event.stat, leftOut: event.leftOut ?? task.leftOut }
    case 'checkpoint.created': {
      const { checkpointId: id, label, stat } = event
      return { ...task, diffStat: stat, checkpoints: [...task.checkpoints, { id, label, stat }] }
    }
    default:
      return reduceReview(task, event)
  }
}

function reduceReview(task: TaskView, event: Durable): TaskView {
  switch (event.type) {
    case 'review.started': {
      const round: RoundView = {
        round: event.round,
        order: event.seq,
        treeHash: event.treeHash,
        checks: [],
        findings: [],
        verdict: null,
        summary: null,
      }
      const others = task.rounds.filter((known) => known.round !== event.round)
      return { ...task, phase: 'checking', round: event.round, rounds: [...others, round] }
    }
    case 'review.check':
      return changeRound(task, event.round, (round) => ({ ...round, checks: [...round.checks, event.check] }))
    case 'review.finding': {
      const { finding } = event
      const told = changeFindings(task, (known) => (known.id === finding.id ? finding : known))
      if (
        task.rounds.some(({ round, findings }) => round === event.round && findings.some(({ id }) => id === finding.id))
      ) {
        return told
      }
      return changeRound(told, event.round, (round) => ({ ...round, findings: [...round.findings, finding] }))
    }
    case 'review.verdict': {
      const { verdict, summary, review } = event
      const judged = changeRound(task, event.round, (round) => ({ ...round, verdict, summary }))
      return { ...settleEarlier(judged, event), review }
    }
    case 'review.judged': {
      const { findingId, state } = event
      return changeFindings(task, (finding) => (finding.id === findingId ? { ...finding, state } : finding))
    }
    case 'review.skipped':
      return { ...task, reviewSkipped: event.reason }
    default:
      return task
  }
}

function changeFindings(task: TaskView, change: (finding: Finding) => Finding): TaskView {
  return { ...task, rounds: task.rounds.map((round) => ({ ...round, findings: round.findings.map(change) })) }
}

function settleEarlier(task: TaskView, event: Extract<Durable, { type: 'review.verdict' }>): TaskView {
  if (event.findings === undefined) return inferEarlier(task, event)
  const states = new Map(event.findings.map(({ id, state }) => [id, state]))
  return changeFindings(task, (finding) => {
    const state = states.get(finding.id) ?? finding.state
    return state === finding.state ? finding : { ...finding, state }
  })
}

/** For verdicts stored before they named findings: an approval leaves nothing blocking open in earlier rounds. */
function inferEarlier(task: TaskView, { round: number, verdict }: { round: number; verdict: RoundVerdict }): TaskView {
  if (verdict !== 'approved' && verdict !== 'approved_with_notes') return task
  const settle = (finding: Finding): Finding =>
    finding.state === 'open' && finding.severity === 'blocking' ? { ...finding, state: 'fixed' } : finding
  const rounds = task.rounds.map((round) =>
    round.round < number ? { ...round, findings: round.findings.map(settle) } : round,
  )
  return { ...task, rounds }
}

function changeRound(task: TaskView, number: number, change: (round: RoundView) => RoundView): TaskView {
  return { ...task, rounds: task.rounds.map((round) => (round.round === number ? change(round) : round)) }
}

function waits({ status }: TaskView): boolean {
  return status === 'needs_budget' || status === 'needs_answer'
}

/** The task goes on once nothing is open any more. */
function resolveApproval(task: TaskView, approvalId: string): TaskView {
  const openApprovals = task.openApprovals.filter((id) => id !== approvalId)
  const isFree = openApprovals.length === 0 && task.status === 'needs_answer'
  return { ...task, openApprovals, status: isFree ? 'running' : task.status }
}

function startTurn(task: TaskView, turn: number, role: 'coder' | 'reviewer'): TaskView {
  const isReviewer = role === 'reviewer'
  return {
    ...task,
    turn,
    status: task.status === 'accepted' || waits(task) ? 'running' : task.status,
    phase: isReviewer ? 'reviewing' : task.round > 0 ? 'fixing' : 'working',
    reviewerTurns: isReviewer ? [...task.reviewerTurns, turn] : task.reviewerTurns,
  }
}

function endTask(task: TaskView, event: Extract<Durable, { type: `task.${string}`; usage: unknown }>): TaskView {
  const status = event.type.slice('task.'.length) as 'completed' | 'failed' | 'cancelled'
  return {
    ...task,
    status,
    phase: 'done',
    endedAt: event.at,
    retrying: null,
    silence: null,
    waitingFor: null,
    outcome: event.outcome ?? null,
    reason: event.reason ?? null,
    review: event.review,
    usage: event.usage,
    costUsd: event.costUsd,
    diffStat: event.diffStat,
    leftOut: event.leftOut ?? task.leftOut,
    evidence: event.evidence ?? null,
    evidenceGaps: event.evidenceGaps ?? [],
    killed: event.type === 'task.cancelled' ? event.killed : [],
  }
}

function started(event: Extract<Durable, { type: 'command.started' }>): CommandView {
  const { toolUseId, partId, command, cwd } = event
  return {
    toolUseId,
    partId,
    command,
    cwd,
    status: 'running',
    exitCode: null,
    durationMs: null,
    chunks: [],
    length: 0,
    tail: null,
    bytes: 0,
    truncated: false,
  }
}

function finishCommand(
  commands: readonly CommandView[],
  event: Extract<Durable, { type: 'command.finished' }>,
): readonly CommandView[] {
  const { status, exitCode, durationMs, bytes, truncated, tail } = event
  const output = bytesOf(event.output)
  const end = {
    status,
    exitCode,
    durationMs,
    bytes,
    truncated,
    chunks: [output],
    length: output.length,
    tail: tail === undefined ? null : bytesOf(tail),
  }
  return commands.map((command) => (command.partId === event.partId ? { ...command, ...end } : command))
}
