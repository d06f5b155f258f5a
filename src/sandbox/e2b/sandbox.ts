import { createHash } from 'node:crypto'
import { AppError } from '../../shared/errors.ts'
import type { Network } from '../../shared/network.ts'
import { checkExecSpec } from '../exec-spec.ts'
import { QUIET_BASE_ENV } from '../local-bwrap/argv.ts'
import { MAX_TREE_PATH_BYTES, relativePath } from '../local-bwrap/confined.ts'
import { checkName, WORKSPACE } from '../local-bwrap/layout.ts'
import type { StartMessage } from '../local-bwrap/protocol.ts'
import type { SandboxLogger } from '../local-bwrap/provider.ts'
import { parseChanges } from '../local-bwrap/shadow-git.ts'
import { checkTrees, otherKind } from '../tree-hash.ts'
import {
  CONTEXT_LINES,
  type ExecSpec,
  type FileChange,
  type FileWrite,
  type Sandbox,
  type SandboxRef,
} from '../types.ts'
import { packTree, takeKeptCheckpoint, takeTreeOver } from './keep-checkpoint.ts'
import type { CheckpointStore } from './ledger.ts'
import { readLeftOut } from './left-out.ts'
import { fromBase64, nonsense, numbersAfter, parseState, readListing, readStates, readTreeFiles } from './replies.ts'
import { LAST_CALL_MS, linkOf, PAYLOAD, shellQuote, type VmLink } from './vm.ts'

const MAX_TIMEOUT_MS = 600_000
const DEFAULT_READ_BYTES = 16 * 1024 * 1024
/** Whatever a caller asks for, no more is taken into memory at once. */
const MAX_DATA_BYTES = 64 * 1024 * 1024
const MAX_LISTED = 100_000
const MAX_DEPTH = 32
const MAX_LIST_BYTES = 16 * 1024 * 1024
const MAX_CHANGES_BYTES = 16 * 1024 * 1024
const MAX_LEFT_OUT_BYTES = 4 * 1024 * 1024
/** Paths of one restore that are named one by one. */
const MAX_TOUCHED = 5_000
/** Commands of a project are forgotten after a day, or when their task is over. */
const MAX_STATES_BYTES = 8 * 1024 * 1024
/** The names of a checkpoint that a fork takes over. */
const MAX_NAMES_BYTES = 16 * 1024 * 1024
/** Lines around the data of a reply. */
const LINES_BYTES = 64 * 1024
const BUSY_RETRY_MS = 10_000

/** What one project's sandbox needs. */
export interface E2bSandboxOptions {
  readonly ref: SandboxRef
  /** The link as it is now; a VM that was found to be gone has none any more. */
  readonly link: VmLink
  readonly store: CheckpointStore
  readonly logger: SandboxLogger
  /** See {@link Sandbox.setVariables}. */
  readonly variables?: Readonly<Record<string, string>>
  /** Makes a policy hold for the VM. */
  setNetwork(network: Network): Promise<void>
  /** See `SandboxProviderOptions.registriesReady`. */
  registriesReady(signal?: AbortSignal): Promise<void>
  /** The policy that was set last. */
  readonly network?: Network | undefined
}

/** One project's VM. Holds no state, so any number of them may be open on it at once, in any process. */
export function createE2bSandbox(options: E2bSandboxOptions): Sandbox {
  const { ref, link, store, logger, setNetwork } = options
  const inside = (given: string) => relativePath(given, WORKSPACE)
  const inTree = (given: string) => relativePath(given, WORKSPACE, MAX_TREE_PATH_BYTES)
  const exec = (execId: string) => checkName('execId', execId)
  let variables = options.variables ?? {}
  let { network } = options
  let treeWork: Promise<unknown> = Promise.resolve()

  /** Checkpoints and restores of one sandbox take turns. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = treeWork.then(work, work)
    treeWork = mine.catch(() => undefined) // its caller has the failure; the next one starts anyhow
    return mine
  }

  /** No command begins in a VM that is about to end: it is restarted first when nothing runs in it. */
  const awaitLife = async () => {
    await link.keepAlive()
    if ((await link.endsAt()) - Date.now() > LAST_CALL_MS) return
    if (
      readStates(await link.call('execs', ['-'], { maxBytes: MAX_STATES_BYTES })).some(
        (state) => state.status === 'running',
      )
    ) {
      throw new AppError('sandbox_busy', 'The E2B sandbox reaches its longest life; it is restarted when it is idle.', {
        retryAfterMs: BUSY_RETRY_MS,
      })
    }
    await link.restart()
  }

  const start = async (spec: ExecSpec, signal?: AbortSignal) => {
    const given = spec.network ? { ...spec, env: { ...variables, ...spec.env } } : spec
    const message = checkExecSpec(given, { root: WORKSPACE, maxTimeoutMs: MAX_TIMEOUT_MS })
    if (spec.network && (network?.policy === 'registries' || network?.policy === 'hosts')) {
      await options.registriesReady(signal)
      // The rules name the registries: those that were not known yet are added.
      await setNetwork(network)
    }
    await awaitLife()
    const stdin = message.stdin === null ? '-' : await link.upload(Buffer.from(message.stdin, 'base64'))
    const payload = Buffer.from(toSpecScript(message))
    return parseState(
      await firstLine(link.call('start', [message.execId, message.taskId, PAYLOAD, stdin], { payload })),
    )
  }

  const self: Sandbox = {
    ref,
    root: WORKSPACE,
    async fenced(lease) {
      if (!Number.isSafeInteger(lease) || lease < 1) {
        throw new AppError('sandbox_bad_request', 'an attempt’s number must be a whole number from 1')
      }
      return createE2bSandbox({ ...options, variables, network, link: linkOf(link, lease) })
    },
    start,
    async poll(execId, { cursor, maxBytes, waitMs, signal }) {
      signal?.throwIfAborted()
      const from = Math.min(cursor, 1e15)
      const args = [exec(execId), from, maxBytes, waitMs]
      const asked = { waitMs, signal, maxBytes: inBase64(maxBytes) }
      const [state, chunk, data] = (await link.call('poll', args, asked)).split('\n')
      if (!chunk) return { state: parseState(state), chunks: [], cursor }
      const [offset = 0] = numbersAfter('chunk', chunk)
      const bytes = fromBase64(data)
      return { state: parseState(state), chunks: [{ offset, data: bytes }], cursor: offset + bytes.length }
    },
    async output(execId, { headBytes, tailBytes }) {
      const maxBytes = inBase64(headBytes + tailBytes)
      const reply = await link.call('output', [exec(execId), headBytes, tailBytes], { maxBytes })
      const [line, first, last] = reply.split('\n')
      const [head, tail] = [fromBase64(first), fromBase64(last)]
      return { head, tail, omittedBytes: Math.max(0, parseState(line).bytes - head.length - tail.length) }
    },
    async input(execId, data) {
      const path = data === 'eof' ? '-' : await link.upload(data)
      await link.call('input', [exec(execId), path])
    },
    kill: async (execId) => parseState(await firstLine(link.call('kill', [exec(execId)]))),
    killAll: async (taskId) => readStates(await link.call('killall', [taskId ?? '-'], { maxBytes: MAX_STATES_BYTES })),
    execs: async (taskId) => readStates(await link.call('execs', [taskId ?? '-'], { maxBytes: MAX_STATES_BYTES })),

    async read(file, options = {}) {
      const offset = Math.max(0, options.offset ?? 0)
      const wanted = Math.min(options.length ?? Number.MAX_SAFE_INTEGER, options.maxBytes ?? DEFAULT_READ_BYTES)
      const length = Math.max(0, wanted)
      const reply = await link.call('read', [inside(file), offset, length], { maxBytes: inBase64(length) })
      const [line, base64] = reply.split('\n')
      const [sizeBytes = 0] = numbersAfter('file', line)
      const data = fromBase64(base64)
      if (offset > 0 || data.length < sizeBytes) return { data, sizeBytes }
      return { data, sizeBytes, sha256: createHash('sha256').update(data).digest('hex') }
    },
    async write(files) {
      if (files.length === 0) return
      await link.call('write', [PAYLOAD], { payload: toWritePayload(files, inside) })
    },
    async stat(file) {
      const [word, mode = '', size] = (await link.call('stat', [inside(file)])).trim().split(' ')
      if (word === 'none') return null
      const bits = Number.parseInt(mode, 16)
      const sizeBytes = Number(size)
      if (!Number.isSafeInteger(bits) || !Number.isSafeInteger(sizeBytes)) throw nonsense()
      return { kind: kindOfMode(bits), sizeBytes, mode: bits & 0o7777 }
    },
    async list(directory, { depth, limit }) {
      const args = [inside(directory), Math.min(depth, MAX_DEPTH), Math.min(limit, MAX_LISTED), MAX_LIST_BYTES]
      const reply = await link.call('list', args, { maxBytes: inBase64(MAX_LIST_BYTES) })
      const [base = '', records] = reply.split('\n')
      const at = fromBase64(base.slice('base '.length)).toString('utf8').replace(/^\//, '')
      const data = fromBase64(records)
      const isCut = data.length >= MAX_LIST_BYTES
      // What was cut in the middle of a name is no entry.
      const whole = isCut ? data.subarray(0, data.lastIndexOf(0) + 1) : data
      const listing = readListing(whole.toString('utf8'), at)
      if (isCut) return { ...listing, truncated: true, unlisted: [{ path: at, names: null }] }
      return { ...listing, truncated: listing.unlisted.length > 0 }
    },
    async names(directory, { limit }) {
      const { entries, truncated } = await self.list(directory, { depth: 1, limit })
      return truncated ? { names: [], truncated } : { names: entries.map((entry) => entry.name), truncated }
    },
    remove: async (file) => void (await link.call('remove', [inside(file)])),

    checkpoint: () => inTurn(() => takeKeptCheckpoint(link, store, ref.projectId, logger)),
    async changes(from, to) {
      checkTrees(from, to)
      if (from === to) return []
      const asked = { maxBytes: inBase64(MAX_CHANGES_BYTES) }
      const data = fromBase64(await link.call('changes', [from, to, MAX_CHANGES_BYTES], asked))
      if (data.length === MAX_CHANGES_BYTES) {
        throw new AppError('sandbox_bad_request', 'the checkpoints differ in too many files')
      }
      return parseChanges(data.toString('utf8'))
    },
    async diff(from, to, { maxBytes, paths, contextLines = CONTEXT_LINES }) {
      checkTrees(from, to)
      if (from === to) return { patch: '', truncated: false }
      const args = [from, to, maxBytes + 1, contextLines, ...(paths ?? []).map(inTree)]
      const data = fromBase64(await link.call('diff', args, { maxBytes: inBase64(maxBytes + 1) }))
      if (data.length <= maxBytes) return { patch: data.toString('utf8'), truncated: false }
      const kept = data.subarray(0, maxBytes)
      return { patch: kept.subarray(0, kept.lastIndexOf(10) + 1).toString('utf8'), truncated: true }
    },
    async restore(tree, paths, before) {
      checkTrees(tree, ...(before === undefined ? [] : [before]))
      const asked = paths === undefined || paths.map(inTree).includes('') ? null : paths.map(inTree)
      const chosen = before === undefined ? asked : pathsToTouch(await self.changes(before, tree), asked)
      if (chosen?.length === 0) return
      await inTurn(() => link.call('restore', [tree, ...(chosen ?? [])]))
    },
    async markLeftOut(key) {
      await inTurn(() => link.call('mark', [checkName('key', key)]))
    },
    async leftOutSince(key) {
      const asked = { maxBytes: inBase64(MAX_LEFT_OUT_BYTES) }
      const reply = await inTurn(() => link.call('since', [checkName('key', key), MAX_LEFT_OUT_BYTES], asked))
      return readLeftOut(fromBase64(reply).toString('utf8'))
    },

    async *treeFiles(tree) {
      checkTrees(tree)
      const reply = await link.call('files', [tree, MAX_NAMES_BYTES], { maxBytes: inBase64(MAX_NAMES_BYTES) })
      const [place = '', list] = reply.split('\n')
      const names = fromBase64(list)
      if (names.length >= MAX_NAMES_BYTES) {
        throw new AppError('sandbox_bad_request', 'the checkpoint has too many files')
      }
      const content = link.download(place.slice('content '.length), Number.MAX_SAFE_INTEGER)
      yield* readTreeFiles(names.toString('utf8'), content)
    },

    storedTrees: {
      kind: 'packed',
      async pack(tree, base) {
        checkTrees(tree)
        return await packTree(link, tree, base)
      },
    },
    async adoptTree(from, tree, base) {
      checkTrees(tree, base)
      if (from.kind !== 'packed') throw otherKind()
      await inTurn(() => takeTreeOver({ link, store, projectId: ref.projectId, logger }, from, tree, base))
      return tree
    },

    async network(given) {
      network = given
      await setNetwork(given)
    },
    setVariables(given) {
      variables = given
    },
    async denials() {
      return [] // E2B tells nobody what it refused
    },
    keepAlive: () => link.keepAlive(),
    pause: () => link.pause(),
    async usage() {
      const [sizeBytes = 0, files = 0] = numbersAfter('usage', (await link.call('usage', [])).trim())
      return { sizeBytes, files }
    },
  }
  return self
}

/**
 * The files that differ and are chosen, and no others; null: all, since they cannot be listed, as names that are not UTF-8
 * do not come back from git as they are. Pure.
 */
function pathsToTouch(changes: readonly FileChange[], chosen: readonly string[] | null): readonly string[] | null {
  const touched = changes
    .map((change) => change.path)
    .filter((path) => chosen === null || chosen.some((one) => path === one || path.startsWith(`${one}/`)))
  const isListed = touched.length <= MAX_TOUCHED && touched.every((path) => !path.includes('\u{FFFD}'))
  return isListed ? touched : chosen
}

/** The longest reply that holds this much data. */
function inBase64(bytes: number): number {
  return Math.ceil(Math.min(bytes, MAX_DATA_BYTES) / 3) * 4 + LINES_BYTES
}

async function firstLine(reply: Promise<string>): Promise<string | undefined> {
  return (await reply).split('\n')[0]
}

/** What the runner sources: only assignments, every value quoted. */
function toSpecScript(message: StartMessage): string {
  const stdin = message.stdinOpen ? 'open' : message.stdin === null ? 'none' : 'file'
  const env = Object.entries({ ...QUIET_BASE_ENV, ...message.env }).map(([name, value]) => `${name}=${value}`)
  return [
    `cwd=${shellQuote(message.cwd)}`,
    `timeout_ms=${message.timeoutMs}`,
    `idle_ms=${message.idleTimeoutMs}`,
    `stdin_kind=${stdin}`,
    `env=(${env.map(shellQuote).join(' ')})`,
    `argv=(${message.argv.map(shellQuote).join(' ')})`,
    '',
  ].join('\n')
}

/** Count, then mode, size and path of each, then all data; every field ended by NUL. */
function toWritePayload(files: readonly FileWrite[], inside: (path: string) => string): Uint8Array {
  const parts = files.map((file) => ({
    data: Buffer.from(file.data),
    mode: file.mode === undefined ? '-' : (file.mode & 0o777).toString(8),
    path: inside(file.path),
  }))
  const heads = parts.map(({ data, mode, path }) => `${mode}\0${data.length}\0${path}\0`)
  return Buffer.concat([Buffer.from(`${parts.length}\0${heads.join('')}`), ...parts.map((part) => part.data)])
}

function kindOfMode(bits: number): 'file' | 'directory' | 'symlink' | 'other' {
  switch (bits & 0o170000) {
    case 0o100000:
      return 'file'
    case 0o040000:
      return 'directory'
    case 0o120000:
      return 'symlink'
    default:
      return 'other'
  }
}
