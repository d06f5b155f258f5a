/** What this process has learnt of its model server's limits: from people, from the server's list, from its refusals. */

import { type ModelLimits, smallerOf, withLimits } from './limits.ts'
import { type ModelProfile, profileFor } from './profiles.ts'
import type { ListedModel } from './server-models.ts'

/** A server that gave no list is asked again after this long, when somebody wants to know. */
const ASK_AGAIN_MS = 60_000
/** Names can be anything a message asks for. */
const MAX_NAMES = 200

/**
 * What is known of a server's windows and reply lengths: set by a person, listed by the server, or learnt from its
 * refusals.
 */
export interface KnownLimits {
  /** The model's profile within what is known now. Throws `bad_request` for a model that is not known. */
  profileOf(model: string): ModelProfile
  /** Notes what a server said of a model; what it said before or what was set stays where it is smaller. */
  learn(model: string, limits: ModelLimits): void
  /** Asks the server for its list, unless it answered before or was asked a minute ago. Never rejects. */
  ask(): Promise<void>
}

/** Where the limits come from. `compat`: model ids outside the table are taken. */
export interface KnownLimitsOptions {
  readonly compat: boolean
  /** What a person set: holds for every model of the server. */
  readonly set: ModelLimits
  /** The server's list, or null when it gives none; must not reject. Absent for a server that need not be asked. */
  list?(): Promise<readonly ListedModel[] | null>
  readonly now?: () => number
}

/** Keeps what is learnt in memory alone: another process learns the same from the same server. */
export function createKnownLimits(options: KnownLimitsOptions): KnownLimits {
  const { now = Date.now, list } = options
  const listed = new Map<string, ModelLimits>()
  const refused = new Map<string, ModelLimits>()
  let askedAt = Number.NEGATIVE_INFINITY
  let asking: Promise<void> | undefined

  const readList = async (ask: () => Promise<readonly ListedModel[] | null>): Promise<void> => {
    const models = await ask()
    if (models === null) return
    askedAt = Number.POSITIVE_INFINITY
    for (const { id, limits } of models) listed.set(id, limits)
  }
  /** What the list says of a model; a server with one single model answers with that one, whatever it is asked for. */
  const listedFor = (model: string): ModelLimits | undefined => {
    const [only, ...others] = listed.values()
    return listed.get(model) ?? (others.length === 0 ? only : undefined)
  }
  return {
    learn(model, limits) {
      refused.set(model, smallerOf(refused.get(model) ?? {}, limits))
      const oldest = refused.size > MAX_NAMES ? refused.keys().next() : undefined
      if (oldest?.done === false) refused.delete(oldest.value)
    },
    profileOf(model) {
      // A list may speak of what the model was trained for, a person of what the server was started with; a refusal is a fact.
      const told = { ...listedFor(model), ...options.set }
      return withLimits(profileFor(model, { compat: options.compat }), smallerOf(told, refused.get(model) ?? {}))
    },
    async ask() {
      if (list !== undefined && now() - askedAt >= ASK_AGAIN_MS) {
        askedAt = now()
        asking = readList(list)
      }
      await asking
    },
  }
}
