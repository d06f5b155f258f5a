import { api } from '../api/client.ts'
import { faultOf } from '../api/fault.ts'
import { taskFromApi } from './from-api.ts'
import { replayTask } from './task-replay.ts'
import type { ToldState } from './told-state.ts'
import { isOverView } from './workspace-state.ts'

const MAX_AT_ONCE = 2
/** Before each further try; none after the last. */
const PAUSES_MS = [1_000, 4_000]

/** Reads tasks that the stream does not tell of into the state's `replays`, two at a time. Failures stand there too. */
export class Replays {
  readonly #told: ToldState
  readonly #left: AbortSignal
  readonly #queue: string[] = []
  #running = 0

  /** Once `left` is aborted nothing more is told. */
  constructor(told: ToldState, left: AbortSignal) {
    this.#told = told
    this.#left = left
  }

  /**
   * Makes an ended task known in full: its commands, files, steps and rounds. Running ones are known by the stream. What
   * fails in passing is tried three times; one that failed is tried anew by the next call.
   */
  need(taskId: string): void {
    const { whole, replays } = this.#told.value
    const known = replays[taskId]
    if (whole.has(taskId) || (known !== undefined && known.status !== 'failed')) return
    this.#told.set({ replays: { ...replays, [taskId]: { status: 'loading', value: null, error: null } } })
    // The newest wish first: it is what somebody looks at now.
    this.#queue.unshift(taskId)
    this.#next()
  }

  /** Reads anew what was read while its task still ran: it is old by now. */
  readAgain(): void {
    const { replays, polled } = this.#told.value
    const isOld = (taskId: string): boolean => {
      const value = replays[taskId]?.value
      return value === undefined || value === null || !isOverView(value)
    }
    const old = [...new Set([...Object.keys(replays), ...Object.keys(polled)])].filter(isOld)
    const kept = Object.entries(replays).filter(([taskId]) => !isOld(taskId))
    this.#told.set({ replays: Object.fromEntries(kept), polled: {} })
    for (const taskId of old) this.need(taskId)
  }

  #next(): void {
    while (this.#running < MAX_AT_ONCE) {
      const taskId = this.#queue.shift()
      if (taskId === undefined) return
      this.#running++
      void this.#read(taskId).finally(() => {
        this.#running--
        this.#next()
      })
    }
  }

  async #read(taskId: string, tries = 0): Promise<void> {
    const signal = this.#left
    try {
      const found = await api.getTask(taskId, signal)
      const isOver = found.finishedAt !== null
      const { task, messages } = isOver ? await replayTask(taskId, signal) : { task: null, messages: [] }
      const value = task ?? taskFromApi(found, await api.getReview(taskId, signal))
      const replayedMessages = new Map(this.#told.value.replayedMessages)
      for (const message of messages) replayedMessages.set(message.id, message)
      this.#told.set({
        replays: { ...this.#told.value.replays, [taskId]: { status: 'ready', value, error: null } },
        replayedMessages,
      })
    } catch (error) {
      if (signal.aborted) return
      const fault = faultOf(error)
      const pauseMs = PAUSES_MS[tries]
      // A page's own fault is here a body that broke off.
      if ((fault.isRetryable || fault.code === 'page_fault') && pauseMs !== undefined) {
        await new Promise((resolve) => setTimeout(resolve, pauseMs))
        return signal.aborted ? undefined : await this.#read(taskId, tries + 1)
      }
      const { replays } = this.#told.value
      this.#told.set({ replays: { ...replays, [taskId]: { status: 'failed', value: null, error: fault } } })
    }
  }
}
