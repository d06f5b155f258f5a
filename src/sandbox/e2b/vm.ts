/**
 * One VM as the rest of the provider sees it: operations of vm.sh by name. Keeps the VM alive while it is used, connects
 * again when it was paused meanwhile, and brings the script along when the VM has not got this version of it.
 */

import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { CommandStartOpts, Sandbox as SdkVm } from 'e2b'
import { AppError } from '../../shared/errors.ts'
import { type E2bApi, REQUEST_MS } from './api.ts'

/** The agent's user in E2B's templates, and what is its. */
const USER = 'user'
const STATE_DIR = '/home/user/.keelson'
const OPERATION_MS = 120_000
/** Renewed when less than this is left; E2B pauses the VM when nobody does. */
const RENEW_BELOW_MS = 10 * 60_000
/** No command begins in a VM that ends within this time. */
export const LAST_CALL_MS = 60_000
const RENEW_EVERY_MS = 20_000
/** Larger payloads are uploaded first: the kernel takes 128 KiB for one argument. */
const INLINE_BYTES = 48 * 1024
const MARK = '@@keelson\n'
const DEFAULT_REPLY_BYTES = 1024 * 1024
/** What a login profile may print before the reply, and programs on standard error. */
const NOISE_BYTES = 64 * 1024
/**
 * What a VM's edge says is no verdict: of a paused VM it says the same as of one that is gone, and a VM's own token may be an
 * old one. Only the control plane knows.
 */
const SUSPICIOUS: ReadonlySet<string> = new Set(['sandbox_unreachable', 'sandbox_gone', 'sandbox_auth_failed'])

/** How one operation of vm.sh is called. */
export interface VmCall {
  /** A file that the operation gets; it stands where `PAYLOAD` stands in the arguments. */
  readonly payload?: Uint8Array | undefined
  /** How long the operation itself may wait for something. */
  readonly waitMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** The attempt that asks, see `Sandbox.fenced`: noted in the VM; refused with `lease_lost` when a newer one was there. */
  readonly lease?: number | undefined
  /** The longest reply that makes sense, in bytes; default 1 MiB. A longer one is cut off and refused, see {@link readAll}. */
  readonly maxBytes?: number | undefined
}

/** Stands for the payload's path in an operation's arguments. */
export const PAYLOAD = '\u0001payload'

/** The way into one VM. It outlives the VM's sleep: a call wakes it. */
export interface VmLink {
  readonly vmId: string
  /**
   * Runs an operation of vm.sh and returns what it printed. Throws `sandbox_bad_request` with the operation's own sentence,
   * `sandbox_gone`, and what failures.ts maps. Tried again once when the VM was only paused; so safe to repeat only.
   */
  call(operation: string, args: readonly (string | number)[], options?: VmCall): Promise<string>
  /** A file of the VM, some bytes at a time; what goes beyond `maxBytes` is `sandbox_unreachable`. */
  download(path: string, maxBytes: number): AsyncIterable<Uint8Array>
  upload(data: Uint8Array): Promise<string>
  /** Makes workspace and state directory. Safe to repeat. Throws `sandbox_unavailable` when the template lacks something. */
  prepare(): Promise<void>
  /** Extends the VM's life when it is due. */
  keepAlive(): Promise<void>
  /** When the VM ends unless it is extended, as E2B says. */
  endsAt(): Promise<number>
  /** Pause and resume: the longest life counts from anew. */
  restart(): Promise<void>
  pause(): Promise<void>
}

let script: { readonly text: string; readonly path: string } | null = null

function vmScript(): { readonly text: string; readonly path: string } {
  if (script === null) {
    // The build copies it beside the compiled file.
    const text = readFileSync(new URL('./vm.sh', import.meta.url), 'utf8')
    const version = createHash('sha256').update(text).digest('hex').slice(0, 12)
    script = { text, path: `${STATE_DIR}/vm-${version}.sh` }
  }
  return script
}

/** A link to a VM that was just made or connected to; `onGone` hears when it is found to be lost. */
export function linkVm(api: E2bApi, connected: SdkVm, onGone: () => void): VmLink {
  const vmId = connected.sandboxId
  let vm = connected
  let renewedAt = 0
  let endAt = 0

  const endsAt = async () => {
    endAt = (await api.info(vmId)).endAt
    return endAt
  }

  const renew = async () => {
    try {
      await api.extend(vmId)
    } catch (error) {
      // Beyond the plan's longest life E2B refuses; what is left of it is left.
      if (!(error instanceof AppError && error.code === 'sandbox_unavailable')) throw error
    }
    await endsAt()
  }

  const keepAlive = async () => {
    if (Date.now() - renewedAt < RENEW_EVERY_MS) return
    renewedAt = Date.now()
    if (endAt === 0) await endsAt()
    if (endAt - Date.now() < RENEW_BELOW_MS) await renew()
  }

  const reconnect = async () => {
    vm = await api.connect(vmId)
    endAt = 0
  }

  /** A broken call says little: the control plane knows whether the VM is gone, paused or just out of reach. */
  const lasting = async <T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> => {
    try {
      return await api.guard(vmId, work)
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof AppError && SUSPICIOUS.has(error.code))) throw error
      try {
        const { state } = await api.info(vmId)
        if (state === 'running' && error.code !== 'sandbox_auth_failed') throw outOfReach(error)
        await reconnect()
      } catch (second) {
        if (second instanceof AppError && second.code === 'sandbox_gone') onGone()
        throw second
      }
      return await api.guard(vmId, work)
    }
  }

  const upload = async (data: Uint8Array) => {
    const path = `${STATE_DIR}/staging/${randomBytes(9).toString('hex')}`
    await writeFile(path, data)
    return path
  }
  const writeFile = async (path: string, data: Uint8Array) => {
    // A copy: a small Buffer's own memory is a pool that holds other things as well.
    const whole = new Uint8Array(data).buffer
    const options = { user: USER, useOctetStream: true, requestTimeoutMs: OPERATION_MS } as const
    await lasting(async () => void (await vm.files.write(path, whole, options)))
  }

  const run = async (line: string, options: VmCall, user = USER): Promise<string> => {
    const { waitMs = 0, maxBytes = DEFAULT_REPLY_BYTES, signal } = options
    const limits = { timeoutMs: waitMs + OPERATION_MS, requestTimeoutMs: REQUEST_MS }
    return await lasting(async () => {
      try {
        return await readAll(vm, line, { user, ...limits, ...(signal && { signal }) }, maxBytes + NOISE_BYTES)
      } catch (error) {
        if (error instanceof AppError) throw error
        const code = exitCodeOf(error)
        if (code === 127) throw new MissingScript()
        if (code === null) throw error
        throw new AppError('sandbox_unreachable', `An operation in the VM ended with ${code}.`)
      }
    }, signal).catch((error: unknown) => {
      signal?.throwIfAborted()
      throw error
    })
  }

  const bring = () => writeFile(vmScript().path, Buffer.from(vmScript().text))

  const call = async (operation: string, args: readonly (string | number)[], options: VmCall = {}) => {
    await keepAlive()
    const { payload } = options
    let before = ''
    let path = ''
    if (payload !== undefined && payload.length > INLINE_BYTES) path = await upload(payload)
    else if (payload !== undefined) {
      path = `${STATE_DIR}/staging/${randomBytes(9).toString('hex')}`
      before = `[ -d ${STATE_DIR}/staging ] || mkdir -p ${STATE_DIR}/staging; printf %s ${Buffer.from(payload).toString('base64') || "''"} | base64 -d >${path}; `
    }
    const words = args.map((word) => shellQuote(word === PAYLOAD ? path : String(word)))
    const by = options.lease === undefined ? '' : `env KEELSON_LEASE=${options.lease} `
    const line = `${before}[ -f ${vmScript().path} ] || exit 127; exec ${by}bash ${vmScript().path} ${operation} ${words.join(' ')}`
    try {
      return readReply(await run(line, options))
    } catch (error) {
      if (!(error instanceof MissingScript)) throw error
      await bring()
      return readReply(await run(line, options))
    }
  }

  return {
    vmId,
    call,
    upload,
    async *download(path, maxBytes) {
      const options = { format: 'stream', user: USER, requestTimeoutMs: OPERATION_MS } as const
      const body = await lasting(() => vm.files.read(path, options))
      let bytes = 0
      // Left early, by a throw or by the reader, the loop cancels the stream.
      for await (const chunk of body as AsyncIterable<Uint8Array> & typeof body) {
        bytes += chunk.length
        if (bytes > maxBytes) throw tooLong()
        yield chunk
      }
    },
    async prepare() {
      // The workspace has the same path with every provider; only root can make it.
      await run(`mkdir -p /workspace && chown ${USER} /workspace`, {}, 'root')
      await bring()
      await call('init', [])
    },
    keepAlive,
    async endsAt() {
      if (endAt - Date.now() < LAST_CALL_MS) await renew()
      return endAt
    },
    async restart() {
      await api.pause(vmId)
      await reconnect()
    },
    pause: () => api.pause(vmId),
  }
}

/** The link as one attempt uses it: every operation carries its number. */
export function linkOf(link: VmLink, lease: number): VmLink {
  return { ...link, call: (operation, args, options) => link.call(operation, args, { ...options, lease }) }
}

/**
 * Runs a line in the VM and returns what it printed. The VM is the agent's, so an answer may have no end: what comes is
 * counted, and beyond `maxBytes` nothing more is read and the process is ended.
 */
async function readAll(vm: SdkVm, line: string, options: CommandStartOpts, maxBytes: number): Promise<string> {
  let chars = 0
  let stop: (() => void) | undefined
  const isTooLong = new Promise<true>((resolve) => {
    stop = () => resolve(true)
  })
  const count = (text: string) => {
    chars += text.length
    if (chars > maxBytes) stop?.()
  }
  const running = await vm.commands.run(line, { ...options, background: true, onStdout: count, onStderr: count })
  const ended = running.wait()
  const first = await Promise.race([ended, isTooLong])
  if (first !== true) return first.stdout
  await running.disconnect()
  // Whatever it was reading for has failed; both only keep what is left of it from being reported as unhandled.
  await Promise.allSettled([ended, running.kill()])
  throw tooLong()
}

function tooLong(): AppError {
  return new AppError('sandbox_unreachable', 'The VM answered more than makes sense.')
}

function outOfReach(error: AppError): AppError {
  if (error.code !== 'sandbox_gone') return error
  return new AppError('sandbox_unreachable', 'The VM runs, says E2B, but cannot be reached.')
}

class MissingScript extends AppError {
  constructor() {
    super('sandbox_unavailable', 'The VM has not got the script.')
  }
}

function exitCodeOf(error: unknown): number | null {
  if (!(error instanceof Error) || error.name !== 'CommandExitError' || !('exitCode' in error)) return null
  return Number(error.exitCode)
}

/** What follows the mark; a refusal becomes an error. Whatever a login profile prints comes before it. */
function readReply(output: string): string {
  const at = output.indexOf(MARK)
  if (at === -1) throw new AppError('sandbox_unreachable', 'The VM’s answer broke off.')
  const text = output.slice(at + MARK.length)
  const [, code, message = ''] = /^error (\w+) (.*)\n?$/.exec(text) ?? []
  switch (code) {
    case undefined:
      return text
    case 'busy':
      throw new AppError('sandbox_busy', message)
    case 'lease_lost':
      throw new AppError('lease_lost', message)
    case 'unavailable':
      throw new AppError('sandbox_unavailable', message)
    default:
      throw new AppError('sandbox_bad_request', message)
  }
}

/** A word that any POSIX shell takes as it is. Pure. */
export function shellQuote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}
