import { closeSync, openSync, writeSync } from 'node:fs'
import path from 'node:path'
import { writeTail } from './job-files.ts'
import { LOG_HEAD_BYTES, LOG_TAIL_BYTES } from './limits.ts'

/**
 * A command's output on its way to disk: the first LOG_HEAD_BYTES in `log` at once, after that a ring of the last
 * LOG_TAIL_BYTES in memory that `flushTail` writes. Every byte is counted. Writes are synchronous on purpose: what
 * `readableBytes` names is on disk before anybody is told about it, and a page-cache write costs microseconds.
 */
export class OutputLog {
  bytes = 0
  private headBytes = 0
  private readonly fd: number
  private readonly dir: string
  private ring: Buffer | null = null
  private ringEnd = 0
  private flushedEnd = 0
  private isOpen = true

  constructor(dir: string) {
    this.dir = dir
    this.fd = openSync(path.join(dir, 'log'), 'a')
  }

  append(chunk: Buffer): void {
    this.bytes += chunk.length
    const toHead = chunk.subarray(0, Math.max(0, LOG_HEAD_BYTES - this.headBytes))
    for (let done = 0; done < toHead.length; ) done += writeSync(this.fd, toHead, done)
    this.headBytes += toHead.length
    if (toHead.length < chunk.length) this.appendToRing(chunk.subarray(toHead.length))
  }

  private appendToRing(data: Buffer): void {
    this.ring ??= Buffer.alloc(LOG_TAIL_BYTES)
    const last = data.subarray(Math.max(0, data.length - LOG_TAIL_BYTES))
    const at = (this.ringEnd + data.length - last.length) % LOG_TAIL_BYTES
    const first = last.subarray(0, LOG_TAIL_BYTES - at)
    first.copy(this.ring, at)
    last.copy(this.ring, 0, first.length)
    this.ringEnd += data.length
  }

  /** Writes the ring when it holds anything new. */
  flushTail(): void {
    if (this.ring === null || this.flushedEnd === this.ringEnd) return
    const length = Math.min(this.ringEnd, LOG_TAIL_BYTES)
    const at = this.ringEnd % LOG_TAIL_BYTES
    const data =
      this.ringEnd <= LOG_TAIL_BYTES
        ? this.ring.subarray(0, length)
        : Buffer.concat([this.ring.subarray(at), this.ring.subarray(0, at)])
    writeTail(this.dir, this.headBytes + this.ringEnd - length, data)
    this.flushedEnd = this.ringEnd
  }

  /** Output up to this offset can be read from the files (with a hole where the ring has turned over). */
  get readableBytes(): number {
    return this.headBytes + this.flushedEnd
  }

  get isBeyondHead(): boolean {
    return this.ring !== null
  }

  get droppedBytes(): number {
    return Math.max(0, this.ringEnd - LOG_TAIL_BYTES)
  }

  /** Safe to repeat after a failure. */
  close(): void {
    this.flushTail()
    if (this.isOpen) closeSync(this.fd)
    this.isOpen = false
  }
}
