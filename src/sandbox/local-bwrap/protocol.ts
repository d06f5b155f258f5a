/**
 * What worker and runner say to each other: one JSON object a line, answers carry the request's id. The runner's socket is
 * a trust border: whoever can connect to it may send anything, so {@link parseRequest} checks every field of every line by
 * the rules that the clients use, and takes nothing for checked.
 */

import { z } from 'zod'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { type ExecState, MAX_SERVICE_MS } from '../types.ts'
import { relativePath } from './confined.ts'
import { WORKSPACE } from './layout.ts'

/** Longest line either side takes: standard input of 8 MiB in base64, all arguments, and the frame. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024
/** Largest input that a command is started with, in bytes. */
export const MAX_STDIN_BYTES = 8 * 1024 * 1024
/** The kernel takes 128 KiB for one argument, and 2 MiB for all of them with the environment. */
const MAX_WORD_BYTES = 120_000
const MAX_WORDS_BYTES = 1_500_000
const MAX_WORDS = 10_000
/** A start that finds no place on a busy host within this time is told to try again. */
export const MAX_START_WAIT_MS = 60_000
/** Longer waits are asked for again. */
const MAX_WAIT_MS = 600_000
const MAX_IDLE_MS = 24 * 3_600_000

/** Ports of services that one command reaches. */
export const MAX_REACHED_PORTS = 32

const DOOR_SOCKET = /^[0-9a-f]{24}\.sock$/
const NAME = /^[A-Za-z0-9_.-]{1,128}$/
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,255}$/
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

const Name = z
  .string()
  .refine(
    (name) => NAME.test(name) && name !== '.' && name !== '..',
    'must be 1 to 128 characters of A-Z a-z 0-9 _ . -',
  )
const SandboxName = z
  .string()
  .regex(/^(?!\.{1,2}\/)[A-Za-z0-9_.-]{1,128}\/g\d{1,15}$/, 'must be a project’s id and g with its generation')
const Word = z
  .string()
  .refine((word) => !word.includes('\0'), 'cannot hold a NUL character')
  .refine((word) => Buffer.byteLength(word) <= MAX_WORD_BYTES, `is longer than ${MAX_WORD_BYTES} bytes`)
const Base64 = z
  .string()
  .max(Math.ceil(MAX_STDIN_BYTES / 3) * 4, `is longer than ${MAX_STDIN_BYTES} bytes`)
  .refine((text) => text.length % 4 === 0 && BASE64.test(text), 'must be base64')

const StartSchema = z
  .strictObject({
    execId: Name,
    taskId: Name,
    argv: z.array(Word).min(1, 'a command needs a program').max(MAX_WORDS),
    cwd: z.string().refine(isPlainRelative, 'must be a plain path relative to the workspace'),
    env: z.record(z.string().regex(ENV_NAME, 'is a malformed name of a variable'), Word),
    stdin: Base64.nullable(),
    stdinOpen: z.boolean(),
    timeoutMs: z.number().int().min(1),
    idleTimeoutMs: z.number().int().min(0).max(MAX_IDLE_MS),
    /** Whether the command has the sandbox's way out, see {@link ExecSpec.network}. */
    network: z.boolean(),
    /** Name of a directory in the base directory's `doors`. */
    door: Name.optional(),
    /** Whether it is a service: it may run longer, and gets a socket by which it is reached. */
    service: z.boolean().optional(),
    /** Services' ports that the command finds on its loopback, with the sockets of those services. */
    reach: z
      .array(z.strictObject({ port: z.number().int().min(1).max(65_535), socket: z.string().regex(DOOR_SOCKET) }))
      .max(MAX_REACHED_PORTS)
      .optional(),
    /** Whose kept installations the command sees, see {@link ExecSpec.kept}. */
    kept: z.strictObject({ projectId: Name, write: z.boolean() }).optional(),
  })
  .refine((spec) => spec.argv[0] !== '', { path: ['argv'], message: 'a command needs a program' })
  .refine((spec) => Object.keys(spec.env).length <= MAX_WORDS, { path: ['env'], message: 'has too many variables' })
  .refine((spec) => bytesOf(spec) <= MAX_WORDS_BYTES, {
    path: ['argv'],
    message: `arguments and variables are longer than ${MAX_WORDS_BYTES} bytes together`,
  })

/** A start as it crosses the socket. `stdin` is base64; null is no input at all, `stdinOpen` waits for `input`. */
export type StartMessage = Readonly<z.infer<typeof StartSchema>>

const Id = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const at = { id: Id, identity: z.string().max(64), sandbox: SandboxName }
/** The number of the attempt that asks, see {@link Sandbox.fenced}; left out by who is no attempt. */
const by = { lease: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional() }

const RequestSchema = z.discriminatedUnion('op', [
  z.strictObject({ ...at, ...by, op: z.literal('start'), spec: StartSchema }),
  z.strictObject({
    ...at,
    op: z.literal('wait'),
    execId: Name,
    cursor: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
    waitMs: z.number().min(0).max(MAX_WAIT_MS),
  }),
  z.strictObject({ ...at, ...by, op: z.literal('input'), execId: Name, data: Base64.nullable() }),
  z.strictObject({ ...at, ...by, op: z.literal('kill'), execId: Name }),
  z.strictObject({ ...at, ...by, op: z.literal('killAll'), taskId: Name.nullable() }),
  /** Says how many bytes lie outside of the runner's reach for this sandbox: they count to its limit. */
  z.strictObject({ ...at, op: z.literal('store'), storeBytes: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER) }),
  /** Ends a `wait` of this connection early; has no answer of its own. */
  z.strictObject({ id: Id, op: z.literal('cancel'), target: Id }),
  /** Asks the runner to end when nothing runs and nobody else is connected. */
  z.strictObject({ id: Id, op: z.literal('leave') }),
])

/** A request with its id and the identity of the runner that it is meant for. */
export type NumberedRequest = Readonly<z.infer<typeof RequestSchema>>
type Unnumbered<T> = T extends unknown ? Omit<T, 'id' | 'identity'> : never
/** A request as callers make it; the connection numbers it. */
export type RunnerRequest = Unnumbered<NumberedRequest>

/** The answer: states of the commands that were asked about, or the code and sentence of a refusal. */
export type RunnerReply =
  | { readonly ok: true; readonly states: readonly ExecState[] }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string }

/** The same with the number of its request, as it goes over the socket. */
export type NumberedReply = RunnerReply & { readonly id: number }

/** Throws `sandbox_bad_request` with a sentence that names the first field that is wrong. Pure. */
export function checkStartMessage(value: unknown, maxTimeoutMs: number): StartMessage {
  const parsed = StartSchema.safeParse(value)
  if (!parsed.success) throw refusal(parsed.error)
  const longestMs = parsed.data.service ? MAX_SERVICE_MS : maxTimeoutMs
  if (parsed.data.timeoutMs > longestMs) {
    throw new AppError('sandbox_bad_request', `timeoutMs must be between 1 and ${longestMs}`)
  }
  return parsed.data
}

/**
 * Reads one line of a client. Null when it is no request at all: then nobody can be answered. Throws
 * `sandbox_bad_request`, with the request's id in `details`, for one with a wrong or unknown field. Pure.
 */
export function parseRequest(line: string): NumberedRequest | null {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return null
  }
  const frame = z.object({ id: Id }).safeParse(value)
  if (!frame.success) return null
  const parsed = RequestSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw refusal(parsed.error, { id: frame.data.id })
}

function refusal(error: z.ZodError, details: Readonly<Record<string, unknown>> = {}): AppError {
  const [issue] = error.issues
  const field = issue === undefined ? '' : issue.path.map(String).join('.')
  const message = `${field === '' ? 'the request' : field}: ${issue?.message ?? 'is malformed'}`
  return new AppError('sandbox_bad_request', message, { details })
}

function isPlainRelative(cwd: string): boolean {
  try {
    return relativePath(cwd, WORKSPACE) === cwd
  } catch {
    // It holds a NUL, is too long or leads out: relativePath says which, here it is one refusal.
    return false
  }
}

function bytesOf({ argv, env }: { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>> }) {
  let bytes = 0
  for (const word of argv) bytes += Buffer.byteLength(word) + 1
  for (const [name, value] of Object.entries(env)) bytes += name.length + Buffer.byteLength(value) + 2
  return bytes
}

/** Splits a byte stream into lines; throws when a line is longer than MAX_LINE_BYTES. */
export function createLineSplitter(onLine: (line: string) => void): (chunk: Buffer) => void {
  let pending: Buffer[] = []
  let pendingBytes = 0
  return (chunk) => {
    let rest = chunk
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      pending.push(rest.subarray(0, end))
      const line = Buffer.concat(pending).toString('utf8')
      pending = []
      pendingBytes = 0
      rest = rest.subarray(end + 1)
      onLine(line)
    }
    if (rest.length > 0) pending.push(rest)
    pendingBytes += rest.length
    if (pendingBytes > MAX_LINE_BYTES) throw new Error('line too long')
  }
}
