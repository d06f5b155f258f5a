import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Accepted, Api } from './api.ts'
import type { Random } from './random.ts'
import type { Tracker } from './tracker.ts'
import { makeWork, type Work } from './work.ts'

/** A message that the product has accepted. */
export interface Posted {
  readonly projectId: string
  readonly work: Work
  readonly accepted: Accepted
}

/** What the users did, for the oracle. */
export interface Ledger {
  readonly posted: Posted[]
  /** Tasks of which somebody asked that they end. */
  readonly cancelled: Set<string>
  readonly problems: string[]
  readonly counts: { repeats: number; late: number; cancels: number }
}

export function createLedger(): Ledger {
  return { posted: [], cancelled: new Set(), problems: [], counts: { repeats: 0, late: 0, cancels: 0 } }
}

export interface UserOptions {
  readonly api: Api
  readonly projectId: string
  /** Of A-Z a-z 0-9 and `-`, unique in the run. */
  readonly name: string
  readonly random: Random
  readonly tracker: Tracker
  readonly ledger: Ledger
  /** Told which task a new message belongs to. */
  onTask(taskId: string): void
  /** Asked before each round, with how many were played. */
  goesOn(rounds: number): boolean
}

/** Somebody who works in one project: posts, posts again what was answered already, interrupts, stops, begins anew. */
export async function playUser(options: UserOptions): Promise<void> {
  const { api, projectId } = options
  const conversations = [await api.createConversation(projectId), await api.createConversation(projectId)]
  for (let round = 0; options.goesOn(round); round++) {
    const random = options.random.fork(`round ${round}`)
    const conversationId = random.chance(0.8) ? conversations[0] : conversations[1]
    await playRound(options, random, `${options.name}-${round}`, conversationId ?? '')
  }
}

async function playRound(options: UserOptions, random: Random, name: string, conversationId: string): Promise<void> {
  const { tracker } = options
  const first = await post(options, random, makeWork(random, name), conversationId)
  const asides: Promise<Accepted | null>[] = []
  if (random.chance(0.35)) asides.push(postLate(options, random.fork('late'), `${name}-late`, first))
  if (random.chance(0.2)) asides.push(postElsewhere(options, random.fork('other'), `${name}-other`))
  if (random.chance(0.15)) asides.push(cancel(options, random.fork('cancel'), first.taskId))
  const others = await Promise.all(asides)
  for (const accepted of [first, ...others]) if (accepted !== null) await tracker.untilOver(accepted.taskId)
}

async function post(options: UserOptions, random: Random, work: Work, conversationId?: string): Promise<Accepted> {
  const { api, projectId, ledger, tracker } = options
  const body = {
    message: work.text,
    clientMessageId: work.name,
    ...(conversationId === undefined ? {} : { conversationId }),
    ...(random.chance(0.3) ? { delivery: 'queue' as const } : {}),
  }
  const times = random.chance(0.25) ? random.whole(2, 8) : 1
  const answers = await Promise.all(Array.from({ length: times }, () => api.chat(projectId, body)))
  const [first] = answers
  if (first === undefined) throw new Error('nothing was posted')
  ledger.counts.repeats += times - 1
  for (const other of answers) {
    const isSame = isDeepStrictEqual(idsOf(other), idsOf(first))
    if (!isSame) ledger.problems.push(`${work.name}: posted again, it got ${JSON.stringify([first, other])}`)
  }
  ledger.posted.push({ projectId, work, accepted: first })
  tracker.expect(first.taskId)
  options.onTask(first.taskId)
  return first
}

function idsOf({ taskId, messageId, conversationId }: Accepted) {
  return { taskId, messageId, conversationId }
}

/** Posts while the task runs, or in the instants in which it closes. */
async function postLate(options: UserOptions, random: Random, name: string, first: Accepted): Promise<Accepted> {
  const when = random.next()
  if (when < 0.5) await sleep(random.whole(0, 4_000))
  else if (when < 0.75) {
    await options.tracker.untilEvent(first.taskId, ({ type, ['stopReason']: reason }) => {
      return type === 'turn.finished' && reason === 'end_turn'
    })
  } else await options.tracker.untilEvent(first.taskId, ({ type }) => type === 'review.verdict')
  options.ledger.counts.late++
  return await post(options, random, makeWork(random, name), first.conversationId)
}

async function postElsewhere(options: UserOptions, random: Random, name: string): Promise<Accepted> {
  await sleep(random.whole(0, 3_000))
  const conversationId = await options.api.createConversation(options.projectId)
  return await post(options, random, makeWork(random, name), conversationId)
}

async function cancel({ api, ledger }: UserOptions, random: Random, taskId: string): Promise<null> {
  await sleep(random.whole(0, 6_000))
  // Noted first: the answer may come after the task has ended.
  ledger.cancelled.add(taskId)
  ledger.counts.cancels++
  await api.cancel(taskId)
  return null
}
