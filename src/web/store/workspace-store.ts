import { isTerminalType, type StreamEvent } from '../../events/topics.ts'
import { api } from '../api/client.ts'
import { ApiFault, faultOf } from '../api/fault.ts'
import { queryString } from '../api/request.ts'
import type { Conversation } from '../api/types.ts'
import { apply, initialViewState } from '../reducer.ts'
import type { ViewState } from '../state.ts'
import { taskFromApi } from './from-api.ts'
import { type Draft, MessageOutbox } from './message-outbox.ts'
import { type History, readHistory } from './read-history.ts'
import { Replays } from './replays.ts'
import { openStream, type Stream, type StreamState } from './stream.ts'
import { firstSeqOf } from './task-replay.ts'
import { ToldState } from './told-state.ts'
import { type Connection, type GivenBack, newWorkspaceState, type WorkspaceState } from './workspace-state.ts'

/** Failures to open in a row after which the page reads by GET instead. */
const BLOCKED_AFTER = 3
const POLL_MS = 3_000
const LIST_DELAY_MS = 300

/** What a store is made with; `onEvent` hears each event after it was folded. */
export interface WorkspaceStoreOptions {
  readonly projectId: string
  /** Runs its argument soon, at most once a frame: all that arrived until then is told together. */
  readonly schedule: (notify: () => void) => void
  readonly onEvent?: (event: StreamEvent) => void
}

/**
 * Holds the open project. A snapshot by GET says where the stream begins: before the first event of the oldest task that
 * is not over, so what runs is seen whole and what ended is read when it is looked at. Events are folded as they arrive;
 * readers are told once a frame. No method throws; failures stand in the state.
 */
export class WorkspaceStore {
  readonly #options: WorkspaceStoreOptions
  readonly #leave = new AbortController()
  readonly #told: ToldState
  readonly #replays: Replays
  readonly #outbox: MessageOutbox
  #stream: Stream | null = null
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
    const left = this.#leave.signal
    this.#told = new ToldState(newWorkspaceState(options.projectId), options.schedule, left)
    this.#replays = new Replays(this.#told, left)
    this.#outbox = new MessageOutbox(this.#told, left, () => this.refreshConversations())
  }

  get state(): WorkspaceState {
    return this.#told.value
  }

  readonly getState = (): WorkspaceState => this.#told.value

  readonly subscribe = (listener: () => void): (() => void) => this.#told.subscribe(listener)

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
      const known = Object.keys(this.#told.value.histories)
      this.#told.set({
        project,
        conversations,
        status: 'ready',
        error: null,
        view: initialViewState(cursor),
        whole: new Set(),
      })
      for (const conversationId of known) void this.#readHistory(conversationId)
      this.#replays.readAgain()
      this.#follow()
    } catch (error) {
      if (this.#isOld(generation)) return
      const fault = faultOf(error)
      if (fault.code === 'offline' && this.#told.value.status !== 'ready') {
        this.#told.set({ status: 'failed', error: fault })
        setTimeout(() => !this.#isOld(generation) && void this.open(), POLL_MS)
        return
      }
      this.#told.set({ status: 'failed', error: fault })
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
    if (this.#told.value.connection.kind === 'resting') this.#follow()
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
    const known = this.#told.value.histories[conversationId]
    if (known !== undefined && known.status !== 'failed') return
    void this.#readHistory(conversationId)
  }

  /** Makes an ended task known in full: its commands, files, steps and rounds. Running ones are known by the stream. */
  needTask(taskId: string): void {
    this.#replays.need(taskId)
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
  send(draft: Draft): Promise<{ taskId: string; conversationId: string } | null> {
    return this.#outbox.send(draft)
  }

  /** Takes a message that failed out of the thread. */
  forgetOutgoing(clientMessageId: string): void {
    this.#outbox.forget(clientMessageId)
  }

  /** Hands the text of a message that was taken back to its conversation's composer; null: the composer has it. */
  giveBack(givenBack: GivenBack | null): void {
    this.#told.set({ givenBack })
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
        `/api/workspace/${encodeURIComponent(projectId)}/events${queryString({ after: this.#told.value.view.lastSeq })}`,
      onEvent: (event) => this.#fold(event),
      onState: (state) => this.#onStreamState(state),
    })
  }

  #onStreamState(state: StreamState): void {
    if (state.kind === 'live' && this.#told.value.connection.kind === 'polling') {
      // What was read by GET meanwhile is newer than the stream's cursor: one snapshot puts both together again.
      clearTimeout(this.#pollTimer)
      this.#setConnection({ kind: 'live' })
      void this.open()
      return
    }
    if (state.kind === 'waiting' && state.failures >= BLOCKED_AFTER && this.#told.value.connection.kind !== 'polling') {
      this.#setConnection({ kind: 'polling', isAnswered: true })
      void this.#poll()
      return
    }
    if (this.#told.value.connection.kind === 'polling' && state.kind !== 'ended') return
    if (state.kind === 'ended' && state.code === 'not_found') {
      const error = new ApiFault('not_found', 'This project is gone: it was deleted.', { status: 404 })
      this.#told.set({ status: 'failed', error })
    }
    this.#setConnection(state)
  }

  #fold(event: StreamEvent): void {
    const { view, whole } = this.#told.value
    if (event.type === 'stream.resync') {
      void this.open()
      return
    }
    const isNews = 'seq' in event && event.seq > view.lastSeq
    const next = apply(view, event)
    const isStart = isNews && event.type === 'task.accepted' && !event.joined && event.taskId !== undefined
    this.#told.set({
      ...(next === view ? {} : { view: withoutHole(next) }),
      ...(isStart ? { whole: new Set(whole).add(event.taskId) } : {}),
    })
    if (next.needsRefetch && !view.needsRefetch) this.#stream?.restart()
    if (isNews) {
      this.#told.noteEvent()
      this.#react(event)
    }
  }

  #react(event: StreamEvent): void {
    this.#options.onEvent?.(event)
    if (event.type === 'message.created') this.#outbox.dropConfirmed()
    const isUnknown = !this.#told.value.conversations.some(({ id }) => id === event.conversationId)
    if (isTerminalType(event.type) || event.type === 'task.accepted') this.refreshConversations()
    else if (event.type === 'message.created' && isUnknown) this.refreshConversations()
  }

  async #readHistory(conversationId: string): Promise<void> {
    const generation = this.#generation
    const reading = {}
    this.#readings.set(conversationId, reading)
    const isLate = (): boolean => this.#isOld(generation) || this.#readings.get(conversationId) !== reading
    const known = this.#told.value.histories[conversationId] ?? {
      status: 'loading',
      value: [],
      isWhole: false,
      error: null,
    }
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
      const read = this.#told.value.histories[conversationId] ?? known
      this.#setHistory(conversationId, { ...read, status: 'failed', error })
    }
  }

  #setHistory(conversationId: string, history: History): void {
    const { histories } = this.#told.value
    this.#told.set({ histories: { ...histories, [conversationId]: history } })
  }

  async #readConversations(): Promise<void> {
    const generation = this.#generation
    try {
      const conversations = await api.listConversations(this.#options.projectId, this.#leave.signal)
      if (!this.#isOld(generation)) this.#told.set({ conversations })
    } catch (error) {
      // The list that is known stays; the next event or the stream's return asks again.
      if (!this.#isOld(generation) && faultOf(error).code !== 'offline') this.#told.set({ error: faultOf(error) })
    }
  }

  /** Reads by GET what the stream would have told, until it comes through again. */
  async #poll(): Promise<void> {
    if (this.#told.value.connection.kind !== 'polling' || this.#leave.signal.aborted) return
    const { signal } = this.#leave
    try {
      await this.#readConversations()
      for (const conversationId of Object.keys(this.#told.value.histories)) await this.#readHistory(conversationId)
      const active = this.#told.value.conversations.flatMap(({ id, activeTaskId }) => {
        const newest = this.#told.value.histories[id]?.value.findLast((message) => message.taskId !== null)?.taskId
        return [activeTaskId, newest].filter((taskId) => typeof taskId === 'string')
      })
      for (const taskId of new Set([...active, ...Object.keys(this.#told.value.polled)])) {
        const [task, review] = await Promise.all([api.getTask(taskId, signal), api.getReview(taskId, signal)])
        this.#told.set({ polled: { ...this.#told.value.polled, [taskId]: taskFromApi(task, review) } })
      }
      this.#outbox.dropConfirmed()
      this.#notePoll(true)
    } catch (error) {
      if (signal.aborted) return
      this.#notePoll(false)
      this.#told.set({ error: faultOf(error) })
    }
    this.#pollTimer = setTimeout(() => void this.#poll(), POLL_MS)
  }

  /** Whether the last reading by GET was answered; nothing once the stream has come through meanwhile. */
  #notePoll(isAnswered: boolean): void {
    if (this.#told.value.connection.kind === 'polling') this.#setConnection({ kind: 'polling', isAnswered })
  }

  #setConnection(connection: Connection): void {
    this.#told.set({ connection })
  }

  #isOld(generation: number): boolean {
    return generation !== this.#generation || this.#leave.signal.aborted
  }
}

/** The hole is mended by coming back: open parts are then told from their beginning. */
function withoutHole(view: ViewState): ViewState {
  return view.needsRefetch ? { ...view, needsRefetch: false } : view
}
