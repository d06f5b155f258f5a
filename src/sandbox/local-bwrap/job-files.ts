/**
 * A command as files: what a worker that knows nothing but an execId can still read, and what the runner writes.
 *
 * 1. The directory appears whole, by rename, with `spec.json` and an empty `log` in it: that rename is the lock.
 * 2. `log` holds the first LOG_HEAD_BYTES; `tail` (8 bytes start offset, then data) the last LOG_TAIL_BYTES beyond.
 * 3. `exit.json` is linked into place once and never changes; whoever comes second reads the first one's.
 * 4. No `exit.json` and neither runner nor command alive means `lost`, and whoever notices writes that down.
 */

import { randomBytes } from 'node:crypto'
import {
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import type { ExecState } from '../types.ts'
import { isAlive, type ProcessIdentity } from './identity.ts'
import { giveToOwnerOf } from './ownership.ts'

/** `spec.json`: written before the command starts. */
export interface JobRecord {
  readonly execId: string
  readonly taskId: string
  readonly argv: readonly string[]
  readonly cwd: string
  readonly timeoutMs: number
  readonly idleTimeoutMs: number
  readonly startedAt: number
  readonly runner: ProcessIdentity
}

/** `exit.json`, and the state a running command has so far. */
export type EndedState = ExecState & { readonly endedAt: number }

/** Begins the name of a job's directory that is being made; no execId can hold this character. */
export const NEW_PREFIX = '~new-'

const TAIL_HEADER_BYTES = 8

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** True for an error that says the file or directory is not there. */
export function isMissing(error: unknown): boolean {
  return errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR'
}

/** Makes the job's directory; false when somebody made it before, in which case nothing changed. */
export function createJob(dir: string, record: JobRecord, stdin: Uint8Array | null): boolean {
  const fresh = path.join(path.dirname(dir), `${NEW_PREFIX}${randomBytes(8).toString('hex')}`)
  mkdirSync(fresh, { mode: 0o700 })
  try {
    writeFileSync(path.join(fresh, 'spec.json'), JSON.stringify(record), { mode: 0o600 })
    writeFileSync(path.join(fresh, 'log'), '', { mode: 0o600 })
    if (stdin !== null) writeFileSync(path.join(fresh, 'stdin'), stdin, { mode: 0o600 })
    for (const made of [...readdirSync(fresh).map((name) => path.join(fresh, name)), fresh]) {
      giveToOwnerOf(path.dirname(dir), made)
    }
    renameSync(fresh, dir)
    return true
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true })
    if (errorCode(error) === 'ENOTEMPTY' || errorCode(error) === 'EEXIST') return false
    throw error
  }
}

function readJson<T>(file: string): T | null {
  try {
    // Written by our own processes only, always whole: by rename or link.
    return JSON.parse(readFileSync(file, 'utf8')) as T
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/** Replaces a file in one step. */
export function writeWhole(file: string, data: string | Uint8Array): void {
  const fresh = `${file}.${randomBytes(6).toString('hex')}`
  writeFileSync(fresh, data, { mode: 0o600 })
  renameSync(fresh, file)
}

/** Notes the process of a command for a worker without a runner. Throws what the file system says; safe to repeat. */
export function writePid(dir: string, identity: ProcessIdentity): void {
  writeWhole(path.join(dir, 'pid.json'), JSON.stringify(identity))
}

/** Records the end; when one is recorded already, that one stays and is returned. */
export function writeExit(dir: string, state: EndedState): EndedState {
  const file = path.join(dir, 'exit.json')
  const fresh = `${file}.${randomBytes(6).toString('hex')}`
  writeFileSync(fresh, JSON.stringify(state), { mode: 0o600 })
  // Whoever notices that a command is lost may be root, while the runner that reads this is not.
  giveToOwnerOf(dir, fresh)
  try {
    linkSync(fresh, file)
    return state
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
    return readJson<EndedState>(file) ?? state
  } finally {
    unlinkSync(fresh)
  }
}

/**
 * Replaces the end of a long output; `start` is its offset in bytes. Throws what the file system says; safe to repeat.
 */
export function writeTail(dir: string, start: number, data: Uint8Array): void {
  const header = Buffer.alloc(TAIL_HEADER_BYTES)
  header.writeBigUInt64LE(BigInt(start))
  writeWhole(path.join(dir, 'tail'), Buffer.concat([header, data]))
}

interface Segments {
  readonly headBytes: number
  readonly tailStart: number
  readonly tail: Uint8Array
}

function readSegments(dir: string): Segments {
  const headBytes = statSync(path.join(dir, 'log')).size
  try {
    const tail = readFileSync(path.join(dir, 'tail'))
    return {
      headBytes,
      tailStart: Number(tail.readBigUInt64LE(0)),
      tail: tail.subarray(TAIL_HEADER_BYTES),
    }
  } catch (error) {
    if (isMissing(error)) return { headBytes, tailStart: headBytes, tail: new Uint8Array() }
    throw error
  }
}

/** Reads a job's state from its files alone; null when there is no such job. Records `lost` where that is the truth. */
export function readState(dir: string): ExecState | null {
  const ended = readJson<EndedState>(path.join(dir, 'exit.json'))
  if (ended !== null) return ended
  const record = readJson<JobRecord>(path.join(dir, 'spec.json'))
  if (record === null) return null
  const command = readJson<ProcessIdentity>(path.join(dir, 'pid.json'))
  // Looked at before the files: an end that is written in between is then found by writeExit.
  const alive = isAlive(record.runner) || (command !== null && isAlive(command))
  const { headBytes, tailStart, tail } = readSegments(dir)
  const bytes = Math.max(headBytes, tailStart + tail.length)
  const state: ExecState = {
    execId: record.execId,
    status: 'running',
    exitCode: null,
    signal: null,
    startedAt: record.startedAt,
    endedAt: null,
    bytes,
    droppedBytes: Math.max(0, bytes - headBytes - tail.length),
  }
  return alive ? state : writeExit(dir, { ...state, status: 'lost', endedAt: Date.now() })
}

/** The command's outer process, for a kill by a worker whose runner is gone. */
export function readPid(dir: string): ProcessIdentity | null {
  return readJson<ProcessIdentity>(path.join(dir, 'pid.json'))
}

/** The runner that started the command; null when there is no such job. */
export function readJobRunner(dir: string): ProcessIdentity | null {
  return readJson<JobRecord>(path.join(dir, 'spec.json'))?.runner ?? null
}

/** The task whose command this was, null when there is no such job. */
export function readTaskId(dir: string): string | null {
  return readJson<JobRecord>(path.join(dir, 'spec.json'))?.taskId ?? null
}

function readLog(dir: string, from: number, length: number): Uint8Array {
  const data = Buffer.alloc(length)
  const fd = openSync(path.join(dir, 'log'), 'r')
  try {
    let filled = 0
    while (filled < length) {
      const count = readSync(fd, data, filled, length - filled, from + filled)
      if (count === 0) break
      filled += count
    }
    return data.subarray(0, filled)
  } finally {
    closeSync(fd)
  }
}

/** What is kept of the output from `cursor` on, at most `maxBytes`; the chunk's offset is later when a part was dropped. */
export function readOutput(dir: string, cursor: number, maxBytes: number): { offset: number; data: Uint8Array } | null {
  const headBytes = statSync(path.join(dir, 'log')).size
  if (cursor < headBytes) return { offset: cursor, data: readLog(dir, cursor, Math.min(maxBytes, headBytes - cursor)) }
  const { tailStart, tail } = readSegments(dir)
  const offset = Math.max(cursor, tailStart)
  if (offset >= tailStart + tail.length) return null
  return { offset, data: tail.subarray(offset - tailStart, offset - tailStart + maxBytes) }
}

/** First and last bytes of the output; they never overlap, and `omittedBytes` lie between them. */
export function readEnds(dir: string, headBytes: number, tailBytes: number, totalBytes: number) {
  const kept = readSegments(dir)
  const head = readLog(dir, 0, Math.min(headBytes, kept.headBytes))
  const tailEnd = kept.tailStart + kept.tail.length
  const from = Math.max(head.length, tailEnd - tailBytes)
  const parts: Uint8Array[] = []
  const hasHole = kept.tail.length > 0 && kept.tailStart > kept.headBytes
  if (!hasHole && from < kept.headBytes) parts.push(readLog(dir, from, kept.headBytes - from))
  parts.push(kept.tail.subarray(Math.max(0, from - kept.tailStart)))
  const tail = Buffer.concat(parts)
  return { head, tail, omittedBytes: Math.max(0, totalBytes - head.length - tail.length) }
}

/** Throws `sandbox_bad_request` for an execId nobody started. */
export function requireState(dir: string, execId: string): ExecState {
  const state = readState(dir)
  if (state === null) throw new AppError('sandbox_bad_request', `no command with the id ${execId} was started here`)
  return state
}
