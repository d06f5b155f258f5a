import { isTerminalType, type StreamEvent } from '../../events/topics.ts'
import { api } from '../api/client.ts'
import { ApiFault, faultOf } from '../api/fault.ts'
import { queryString } from '../api/request.ts'
import type { Conversation } from '../api/types.ts'
import { apply, initialViewState } from '../reducer.ts'
import type { ViewState } from '../state.ts'
import { taskFromApi } from './from-api.ts'
import { type History, readHistory } from './read-history.ts'
import { backoffMs, openStream, type Stream, type StreamState } from './stream.ts'
import { firstSeqOf, replayTask } from './task-replay.ts'
import {
  type Connection,
  type GivenBack,
  isOverView,
  newWorkspaceState,
  type Outgoing,
  type WorkspaceState,
} from './workspace-state.ts'

/** Failures to open in a row after which the page reads by GET instead. */
const BLOCKED_AFTER = 3
const POLL_MS = 3_000
const LIST_DELAY_MS = 300
/** More durable events than this between two frames are a past that is caught up with … */
const BURST_EVENTS = 20
/** … of which readers are shown a picture this often. */
const BURST_TELL_MS = 250
const MAX_REPLAYS_AT_ONCE = 2
const MAX_SEND_TRIES = 40

/** What a store is made with; `onEvent` hears each event after it was folded. */
export interface WorkspaceStoreOptions {
  readonly projectId: string
  /** Runs its argument soon, at most once a frame: all that arrived until then is told together. */
  readonly schedule: (notify: () => void) => void
  readonly onEvent?: (event: StreamEvent) => void
}

/** A message to be sent; twice with one `clientMessageId` is one message. */
export interface Draft {
  readonly text: string
  readonly conversationId: string | null
  readonly delivery: 'steer' | 'queue'
  readonly clientMessageId: string
  readonly model?: string
  readonly budget?: { maxUsd?: number; maxTurns?: number; maxMinutes?: number }
}

/**
 * Holds the open project. A snapshot by GET says where the stream begins: before the first event of the oldest task that
 * is not over, so what runs is seen whole and what ended is read when it is looked at. Events are folded as they arrive;
 * readers are told once a frame. No method throws; failures stand in the state.
 */
export class WorkspaceStore {
  readonly #options: WorkspaceStoreOptions
  readonly #listeners = new Set<() => void>()
  readonly #leave = new AbortController()
  readonly #replayQueue: string[] = []
  #replaysRunning = 0
  #state: WorkspaceState
  #stream: Stream | null = null
  #isScheduled = false
  #untold = 0
  #toldAt = 0
  #listTimer: ReturnType<typeof setTimeout> | undefined
  #pollTimer: ReturnType<typeof setTimeout> | undefined
  #generation = 0
  /** The newest reading of each conversation; older ones tell nothing any more. */
  readonly #readings = new Map<string, object>()

  /** The open project. */
  get projectId(): string {
    return this.#options.projectId
  }

  constructor(options: WorkspaceStoreOptions) {
    this.#options = options
    this.#state = newWorkspaceState(options.projectId)
  }

  get state(): WorkspaceState {
    return this.#state
  }

  readonly getState = (): WorkspaceState => this.#state

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Reads where things stand, then follows the stream. Again after a lost cursor. */
  async open(): Promise<void> {
    const generation = ++this.#generation
    const { signal } = this.#leave
    const { projectId } = this.#options
    this.#stream?.close()
    try {
      const project = await api.getProject(projectId, signal)
      const conversations = await api.listConversations(projectId, signal)
      const cursor = await this.#cursorBefore(conversations, project.latestSeq ?? 0)
      if (this.#isOld(generation)) return
      const known = Object.keys(this.#state.histories)
      this.#set({
        project,
        conversations,
        status: 'ready',
        error: null,
        view: initialViewState(cursor),
        whole: new Set(),
      })
      for (const conversationId of known) void this.#readHistory(conversationId)
      this.#replayAgain()
      this.#follow()
    } catch (error) {
      if (this.#isOld(generation)) return
      const fault = faultOf(error)
      if (fault.code === 'offline' && this.#state.status !== 'ready') {
        this.#set({ status: 'failed', error: fault })
        setTimeout(() => !this.#isOld(generation) && void this.open(), POLL_MS)
        return
      }
      this.#set({ status: 'failed', error: fault })
    }
  }

  close(): void {
    this.#generation++
    this.#leave.abort()
    this.#stream?.close()
    clearTimeout(this.#listTimer)
    clearTimeout(this.#pollTimer)
  }

  /** The page woke up, or the network is back. */
  wake(): void {
    if (this.#state.connection.kind === 'resting') this.#follow()
    else this.#stream?.wake()
  }

  /** Gives the connection back while nobody looks; `wake` takes it again. */
  rest(): void {
    this.#stream?.close()
    this.#stream = null
    this.#setConnection({ kind: 'resting' })
  }

  /** Reads a conversation's messages once, the newest first; again after it failed. */
  openConversation(conversationId: string): void {
    const known = this.#state.histories[conversationId]
    if (known !== undefined && known.status !== 'failed') return
    void this.#readHistory(conversationId)
  }

  /** Makes an ended task known in full: its commands, files, steps and rounds. Running ones are known by the stream. */
  needTask(taskId: string): void {
    const { whole, replays } = this.#state
    if (whole.has(taskId) || replays[taskId] !== undefined) return
    this.#set({ replays: { ...replays, [taskId]: { status: 'loading', value: null, error: null } } })
    // The newest wish first: it is what somebody looks at now.
    this.#replayQueue.unshift(taskId)
    this.#nextReplay()
  }

  /** The list of conversations anew, soon. */
  refreshConversations(): void {
    clearTimeout(this.#listTimer)
    this.#listTimer = setTimeout(() => void this.#readConversations(), LIST_DELAY_MS)
  }

  /**
   * Sends a message until the server has it or says no. Gives the ids, or null when it failed; the reason then stands in
   * `outgoing`. The same `clientMessageId` may be sent again: the server takes it once.
   */
  async send(draft: Draft): Promise<{ taskId: string; conversationId: string } | null> {
    const { clientMessageId, conversationId, text, delivery, model, budget } = draft
    const others = this.#state.outgoing.filter((message) => message.clientMessageId !== clientMessageId)
    const entry: Outgoing = {
      clientMessageId,
      conversationId,
      text,
      delivery,
      status: 'sending',
      messageId: null,
      error: null,
    }
    this.#set({ outgoing: [...others, entry] })
    const body = {
      message: text,
      clientMessageId,
      delivery,
      ...(conversationId === null ? {} : { conversationId }),
      ...(model === undefined ? {} : { model }),
      ...(budget === undefined ? {} : { budget }),
    }
    for (let tries = 1; ; tries++) {
      try {
        const accepted = await api.sendMessage(this.#options.projectId, body, this.#leave.signal)
        this.#changeOutgoing(clientMessageId, {
          status: 'accepted',
          messageId: accepted.messageId,
          conversationId: accepted.conversationId,
        })
        if (conversationId === null) this.refreshConversations()
        this.#dropConfirmed()
        return accepted
      } catch (error) {
        if (this.#leave.signal.aborted) return null
        const fault = faultOf(error)
        if (!fault.isRetryable || tries === MAX_SEND_TRIES) {
          this.#changeOutgoing(clientMessageId, { status: 'failed', error: fault })
          return null
        }
        await new Promise((resolve) => setTimeout(resolve, fault.retryAfterMs ?? backoffMs(tries)))
      }
    }
  }

  /** Takes a message that failed out of the thread. */
  forgetOutgoing(clientMessageId: string): void {
    this.#set({ outgoing: this.#state.outgoing.filter((message) => message.clientMessageId !== clientMessageId) })
  }

  /** Hands the text of a message that was taken back to its conversation's composer; null: the composer has it. */
  giveBack(givenBack: GivenBack | null): void {
    this.#set({ givenBack })
  }

  async #cursorBefore(conversations: readonly Conversation[], latestSeq: number): Promise<number> {
    const active = conversations.flatMap(({ activeTaskId }) => (activeTaskId === null ? [] : [activeTaskId]))
    let cursor = latestSeq
    for (const taskId of active) {
      const first = await firstSeqOf(taskId, this.#leave.signal)
      if (first !== null) cursor = Math.min(cursor, first - 1)
    }
    return cursor
  }

  #follow(): void {
    this.#stream?.close()
    const { projectId } = this.#options
    this.#stream = openStream({
      url: () =>
        `/api/workspace/${encodeURIComponent(projectId)}/events${queryString({ after: this.#state.view.lastSeq })}`,
      onEvent: (event) => this.#fold(event),
      onState: (state) => this.#onStreamState(state),
    })
  }

  #onStreamState(state: StreamState): void {
    if (state.kind === 'live' && this.#state.connection.kind === 'polling') {
      // What was read by GET meanwhile is newer than the stream's cursor: one snapshot puts both together again.
      clearTimeout(this.#pollTimer)
      this.#setConnection({ kind: 'live' })
      void this.open()
      return
    }
    if (state.kind === 'waiting' && state.failures >= BLOCKED_AFTER && this.#state.connection.kind !== 'polling') {
      this.#setConnection({ kind: 'polling', isAnswered: true })
      void this.#poll()
      return
    }
    if (this.#state.connection.kind === 'polling' && state.kind !== 'ended') return
    if (state.kind === 'ended' && state.code === 'not_found') {
      const error = new ApiFault('not_found', 'This project is gone: it was deleted.', { status: 404 })
      this.#set({ status: 'failed', error })
    }
    this.#setConnection(state)
  }

  #fold(event: StreamEvent): void {
    const { view, whole } = this.#state
    if (event.type === 'stream.resync') {
      void this.open()
      return
    }
    const isNews = 'seq' in event && event.seq > view.lastSeq
    const next = apply(view, event)
    const isStart = isNews && event.type === 'task.accepted' && !event.joined && event.taskId !== undefined
    this.#set({
      ...(next === view ? {} : { view: withoutHole(next) }),
      ...(isStart ? { whole: new Set(whole).add(event.taskId) } : {}),
    })
    if (next.needsRefetch && !view.needsRefetch) this.#stream?.restart()
    if (isNews) {
      this.#untold++
      this.#react(event)
    }
  }

  #react(event: StreamEvent): void {
    this.#options.onEvent?.(event)
    if (event.type === 'message.created') this.#dropConfirmed()
    const isUnknown = !this.#state.conversations.some(({ id }) => id === event.conversationId)
    if (isTerminalType(event.type) || event.type === 'task.accepted') this.refreshConversations()
    else if (event.type === 'message.created' && isUnknown) this.refreshConversations()
  }

  async #readHistory(conversationId: string): Promise<void> {
    const generation = this.#generation
    const reading = {}
    this.#readings.set(conversationId, reading)
    const isLate = (): boolean => this.#isOld(generation) || this.#readings.get(conversationId) !== reading
    const known = this.#state.histories[conversationId] ?? { status: 'loading', value: [], isWhole: false, error: null }
    if (known.status !== 'ready') this.#setHistory(conversationId, { ...known, status: 'loading', error: null })
    try {
      await readHistory(
        known,
        (after) => {
          if (isLate()) throw new Error('a newer reading has taken over')
          return api.listMessages(conversationId, { after, order: 'newest' }, this.#leave.signal)
        },
        (part) => {
          if (!isLate()) this.#setHistory(conversationId, { ...part, status: 'ready', error: null })
        },
      )
    } catch (error) {
      if (isLate()) return
      const read = this.#state.histories[conversationId] ?? known
      this.#setHistory(conversationId, { ...read, status: 'failed', error })
    }
  }

  #setHistory(conversationId: string, history: History): void {
    const { histories } = this.#state
    this.#set({ histories: { ...histories, [conversationId]: history } })
  }

  async #readConversations(): Promise<void> {
    const generation = this.#generation
    try {
      const conversations = await api.listConversations(this.#options.projectId, this.#leave.signal)
      if (!this.#isOld(generation)) this.#set({ conversations })
    } catch (error) {
      // The list that is known stays; the next event or the stream's return asks again.
      if (!this.#isOld(generation) && faultOf(error).code !== 'offline') this.#set({ error: faultOf(error) })
    }
  }

  /** What was read while a task still ran is old by now. */
  #replayAgain(): void {
    const { replays, polled } = this.#state
    const isOld = (taskId: string): boolean => {
      const value = replays[taskId]?.value
      return value === undefined || value === null || !isOverView(value)
    }
    const old = [...new Set([...Object.keys(replays), ...Object.keys(polled)])].filter(isOld)
    const kept = Object.entries(replays).filter(([taskId]) => !isOld(taskId))
    this.#set({ replays: Object.fromEntries(kept), polled: {} })
    for (const taskId of old) this.needTask(taskId)
  }

  #nextReplay(): void {
    while (this.#replaysRunning < MAX_REPLAYS_AT_ONCE) {
      const taskId = this.#replayQueue.shift()
      if (taskId === undefined) return
      this.#replaysRunning++
      void this.#replay(taskId).finally(() => {
        this.#replaysRunning--
        this.#nextReplay()
      })
    }
  }

  async #replay(taskId: string): Promise<void> {
    const { signal } = this.#leave
    try {
      const found = await api.getTask(taskId, signal)
      const isOver = found.finishedAt !== null
      const { task, messages } = isOver ? await replayTask(taskId, signal) : { task: null, messages: [] }
      const value = task ?? taskFromApi(found, await api.getReview(taskId, signal))
      const replayedMessages = new Map(this.#state.replayedMessages)
      for (const message of messages) replayedMessages.set(message.id, message)
      this.#set({
        replays: { ...this.#state.replays, [taskId]: { status: 'ready', value, error: null } },
        replayedMessages,
      })
    } catch (error) {
      if (signal.aborted) return
      const { replays } = this.#state
      this.#set({ replays: { ...replays, [taskId]: { status: 'failed', value: null, error: faultOf(error) } } })
    }
  }

  /** Reads by GET what the stream would have told, until it comes through again. */
  async #poll(): Promise<void> {
    if (this.#state.connection.kind !== 'polling' || this.#leave.signal.aborted) return
    const { signal } = this.#leave
    try {
      await this.#readConversations()
      for (const conversationId of Object.keys(this.#state.histories)) await this.#readHistory(conversationId)
      const active = this.#state.conversations.flatMap(({ id, activeTaskId }) => {
        const newest = this.#state.histories[id]?.value.findLast((message) => message.taskId !== null)?.taskId
        return [activeTaskId, newest].filter((taskId) => typeof taskId === 'string')
      })
      for (const taskId of new Set([...active, ...Object.keys(this.#state.polled)])) {
        const [task, review] = await Promise.all([api.getTask(taskId, signal), api.getReview(taskId, signal)])
        this.#set({ polled: { ...this.#state.polled, [taskId]: taskFromApi(task, review) } })
      }
      this.#dropConfirmed()
      this.#notePoll(true)
    } catch (error) {
      if (signal.aborted) return
      this.#notePoll(false)
      this.#set({ error: faultOf(error) })
    }
    this.#pollTimer = setTimeout(() => void this.#poll(), POLL_MS)
  }

  #changeOutgoing(clientMessageId: string, changes: Partial<Outgoing>): void {
    const outgoing = this.#state.outgoing.map((message) =>
      message.clientMessageId === clientMessageId ? { ...message, ...changes } : message,
    )
    this.#set({ outgoing })
  }

  /** What the thread shows by itself now needs no stand-in any more. */
  #dropConfirmed(): void {
    const { outgoing, view, histories } = this.#state
    if (outgoing.length === 0) return
    const shown = new Set(view.messages.map((message) => message.id))
    for (const { value } of Object.values(histories)) for (const message of value) shown.add(message.id)
    const own = new Set(view.messages.map((message) => message.clientMessageId))
    const left = outgoing.filter(
      ({ messageId, clientMessageId }) => !own.has(clientMessageId) && (messageId === null || !shown.has(messageId)),
    )
    if (left.length !== outgoing.length) this.#set({ outgoing: left })
  }

  /** Whether the last reading by GET was answered; nothing once the stream has come through meanwhile. */
  #notePoll(isAnswered: boolean): void {
    if (this.#state.connection.kind === 'polling') this.#setConnection({ kind: 'polling', isAnswered })
  }

  #setConnection(connection: Connection): void {
    this.#set({ connection })
  }

  #isOld(generation: number): boolean {
    return generation !== this.#generation || this.#leave.signal.aborted
  }

  #set(changes: Partial<WorkspaceState>): void {
    if (Object.keys(changes).length === 0) return
    this.#state = { ...this.#state, ...changes }
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#options.schedule(() => this.#tell())
  }

  /** To draw every step of a past would take longer than the past is worth: it is shown now and then, and its end at once. */
  #tell(): void {
    const isBurst = this.#untold > BURST_EVENTS
    this.#untold = 0
    const now = performance.now()
    if (isBurst && now - this.#toldAt < BURST_TELL_MS && !this.#leave.signal.aborted) {
      this.#options.schedule(() => this.#tell())
      return
    }
    this.#isScheduled = false
    this.#toldAt = now
    for (const listener of this.#listeners) listener()
  }
}

/** The hole is mended by coming back: open parts are then told from their beginning. */
function withoutHole(view: ViewState): ViewState {
  return view.needsRefetch ? { ...view, needsRefetch: false } : view
}
