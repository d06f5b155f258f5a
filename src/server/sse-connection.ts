import type { Frame } from '../events/frame.ts'
import { pingFrame } from '../events/frame.ts'
import type { Sink } from '../events/hub.ts'
import type { Transport } from './sse-transport.ts'

/** Limits of one connection; the defaults are the product's, tests take smaller ones. */
export interface SseLimits {
  readonly maxQueueBytes: number
  readonly maxQueueFrames: number
  /** How long a reader may leave a full socket untouched. */
  readonly writeTimeoutMs: number
  readonly pingEveryMs: number
}

/** What one reader may hold up before its stream ends: it comes back and reads on from where it was. */
export const SSE_LIMITS: SseLimits = {
  maxQueueBytes: 1024 * 1024,
  maxQueueFrames: 2_000,
  writeTimeoutMs: 20_000,
  pingEveryMs: 15_000,
}

/** Why a stream ended: we were done, the reader left, or it was too slow to keep. */
export type EndReason = 'finished' | 'left' | 'slow' | 'failed' | 'shutdown'

/** What a stream carried, and why it ended. */
export interface SseStats {
  readonly reason: EndReason
  readonly frames: number
  readonly bytes: number
}

/**
 * One reader. Its queue is bounded, one place writes, and a reader that does not take what it is sent is cut off: it
 * comes back with its cursor and misses nothing, while waiting for it would cost memory that others need.
 */
export class SseConnection implements Sink {
  /** A task's stream ends after this task's terminal event. */
  readonly taskId: string | undefined
  readonly projectId: string
  readonly #transport: Transport
  readonly #limits: SseLimits
  readonly #ping: NodeJS.Timeout
  readonly #onClose: ((stats: SseStats) => void)[] = []
  #queue: Buffer[] = []
  #queuedBytes = 0
  #isBlocked = false
  #isEnding = false
  #isClosed = false
  #reason: EndReason = 'left'
  #frames = 0
  #bytes = 0
  #deadline: NodeJS.Timeout | undefined
  #drainWaiters: ((isOpen: boolean) => void)[] = []

  constructor(options: {
    transport: Transport
    limits: SseLimits
    projectId: string
    taskId?: string | undefined
    latestSeq(): number
  }) {
    this.projectId = options.projectId
    this.taskId = options.taskId
    this.#transport = options.transport
    this.#limits = options.limits
    this.#transport.onDrain(() => this.#drain())
    this.#transport.onClose(() => this.#closed())
    this.#ping = setInterval(() => this.sendBytes(pingFrame(options.latestSeq())), options.limits.pingEveryMs)
    this.#ping.unref()
  }

  get isOpen(): boolean {
    return !this.#isClosed && !this.#isEnding
  }

  /** `listener` is called once; at once when the connection is over already. */
  onClose(listener: (stats: SseStats) => void): void {
    if (this.#isClosed) listener(this.#stats())
    else this.#onClose.push(listener)
  }

  send(frame: Frame): void {
    this.sendBytes(frame.bytes)
    if (frame.isTerminal && this.taskId !== undefined && frame.taskId === this.taskId) this.end('finished')
  }

  sendBytes(bytes: Buffer): void {
    if (!this.isOpen) return
    this.#frames++
    this.#bytes += bytes.length
    if (!this.#isBlocked) {
      this.#write(bytes)
      return
    }
    if (this.#queuedBytes > this.#limits.maxQueueBytes || this.#queue.length >= this.#limits.maxQueueFrames) {
      this.cut('slow')
      return
    }
    this.#queue.push(bytes)
    this.#queuedBytes += bytes.length
  }

  drained(): Promise<boolean> {
    if (!this.isOpen) return Promise.resolve(false)
    if (!this.#isBlocked) return Promise.resolve(true)
    return new Promise((resolve) => this.#drainWaiters.push(resolve))
  }

  /** Ends the stream after what is queued. */
  end(reason: EndReason): void {
    if (!this.isOpen) return
    this.#isEnding = true
    this.#reason = reason
    clearInterval(this.#ping)
    if (!this.#isBlocked) this.#transport.end()
  }

  /** Ends the stream now; what is queued is lost, and the reader sees a broken connection. */
  cut(reason: EndReason): void {
    if (this.#isClosed) return
    this.#reason = reason
    this.#transport.destroy()
    this.#closed()
  }

  #write(bytes: Buffer): void {
    if (this.#transport.write(bytes)) return
    this.#isBlocked = true
    this.#deadline = setTimeout(() => this.cut('slow'), this.#limits.writeTimeoutMs)
    this.#deadline.unref()
  }

  #drain(): void {
    clearTimeout(this.#deadline)
    this.#isBlocked = false
    while (!this.#isBlocked) {
      const batch = this.#queue
      if (batch.length === 0) break
      this.#queue = []
      this.#queuedBytes = 0
      const joined = batch.length === 1 ? batch[0] : Buffer.concat(batch)
      if (joined !== undefined) this.#write(joined)
    }
    if (this.#isBlocked || this.#isClosed) return
    if (this.#isEnding) this.#transport.end()
    this.#wake(!this.#isEnding)
  }

  #closed(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#queue = []
    this.#queuedBytes = 0
    clearTimeout(this.#deadline)
    clearInterval(this.#ping)
    this.#wake(false)
    for (const listener of this.#onClose.splice(0)) listener(this.#stats())
  }

  #wake(isOpen: boolean): void {
    for (const waiter of this.#drainWaiters.splice(0)) waiter(isOpen)
  }

  #stats(): SseStats {
    return { reason: this.#reason, frames: this.#frames, bytes: this.#bytes }
  }
}
