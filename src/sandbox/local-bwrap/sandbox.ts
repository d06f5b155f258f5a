import { readdirSync, utimesSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EgressGateway } from '../../egress/gateway-client.ts'
import { AppError } from '../../shared/errors.ts'
import { checkExecSpec } from '../exec-spec.ts'
import { walkAll, walkForArchive } from '../sources/walk-folder.ts'
import { checkTrees, otherKind } from '../tree-hash.ts'
import type { Doors, ExecState, KeptInstallations, Sandbox, SandboxRef } from '../types.ts'
import { compareTrees, isDirectoryNode } from './compare-trees.ts'
import { MAX_TREE_PATH_BYTES, relativePath } from './confined.ts'
import { toBytes } from './descriptors.ts'
import { type Fence, raiseFence } from './fence.ts'
import { measureWorkspace, readFileSlice, removeOne, statPath, type WorkspacePlace, writeFileWhole } from './files.ts'
import { gitChangesBetween } from './git-changes.ts'
import { isAlive } from './identity.ts'
import {
  isMissing,
  NEW_PREFIX,
  readEnds,
  readOutput,
  readPid,
  readState,
  readTaskId,
  requireState,
} from './job-files.ts'
import { jobDir, type SandboxPaths } from './layout.ts'
import { changedSince, keepMark, pruneMarks } from './left-out.ts'
import { isInstalledFile, mayBeSource } from './left-out-rules.ts'
import type { Limits } from './limits.ts'
import { listDirectory, namesInDirectory } from './list-directory.ts'
import { MAX_START_WAIT_MS } from './protocol.ts'
import { pruneObjects } from './prune-objects.ts'
import { replaceFiles } from './replace-files.ts'
import { applyChanges } from './restore.ts'
import type { RunnerClient } from './runner-client.ts'
import { createServiceDoors } from './service-doors.ts'
import type { StoreReports } from './store-report.ts'
import { inTurn, type TurnKind } from './tree-lock.ts'
import type { TreeState } from './tree-state.ts'
import { changesBetween, filesOf, isChosen, patchBetween } from './trees.ts'

/** A task waits for a larger budget at most this long, and a while for its next turn. */
const KEPT_MARKS_MS = 30 * 24 * 3_600_000
const REQUEST_MS = 15_000
/** A checkpoint changes no file of the workspace and removes no object. */
const LOOKING: TurnKind = 'looking'
/** Without a runner to tell us, files are looked at this often. */
const FILE_POLL_MS = 50

/** The parts of one opened sandbox; they belong to its provider, which closes them. */
export interface LocalSandboxOptions {
  readonly ref: SandboxRef
  readonly paths: SandboxPaths
  /** The workspace's path as commands see it. */
  readonly root: string
  readonly client: RunnerClient
  readonly stores: StoreReports
  readonly limits: Limits
  /** null: commands are not contained, so nobody decides what they reach. */
  readonly gateway: EgressGateway | null
  /** See `SandboxProviderOptions.registriesReady`. */
  registriesReady(signal?: AbortSignal): Promise<void>
  readonly doors: Doors
  /** Left out: nothing is kept. */
  readonly kept?: KeptInstallations
  /** Directory of the host with the sockets of this sandbox's services; null: it runs none. */
  readonly servicesDir: string | null
  readonly trees: TreeState
  /** The attempt that uses it; left out: no attempt's, e.g. the server's for a person. */
  readonly fence?: Fence
  /** See {@link Sandbox.setVariables}. */
  readonly variables?: Readonly<Record<string, string>>
  /** Whether its commands were given a network, so that they may ask registries. */
  readonly hasNetwork?: boolean
}

/** One sandbox of this host. Holds no state but caches, so any number of them, in any process, may be open on it at once. */
export function createLocalSandbox(options: LocalSandboxOptions): Sandbox {
  const { ref, paths, root, client, stores, fence } = options
  const place: WorkspacePlace = {
    workspace: paths.workspace,
    staging: fence?.staging ?? paths.staging,
    ...(fence && { check: fence.check }),
  }
  const by = fence && { lease: fence.lease }
  const { trees } = options
  const inside = (given: string) => relativePath(given, root)
  const inTree = (given: string) => relativePath(given, root, MAX_TREE_PATH_BYTES)
  const within = (timeoutMs: number) => ({ spawn: false, timeoutMs })
  const marks = { workspace: paths.workspace, gitDir: paths.shadow }
  const services = options.servicesDir === null ? null : createServiceDoors(options.servicesDir)
  let variables = options.variables ?? {}
  let hasNetwork = options.hasNetwork ?? false

  const stateOf = (execId: string): ExecState => requireState(jobDir(paths, execId), execId)

  /** The state as the runner knows it; from the files when there is no runner. */
  const awaitChange = async (execId: string, cursor: number, waitMs: number, signal?: AbortSignal) => {
    const known = readState(jobDir(paths, execId))
    if (known !== null && known.status !== 'running') return known
    const request = { op: 'wait' as const, sandbox: ref.id, execId, cursor, waitMs }
    const states = await client.request(request, { ...within(waitMs + REQUEST_MS), ...(signal && { signal }) })
    if (states?.[0] !== undefined) return states[0]
    return await watchFiles(paths, execId, cursor, waitMs, signal)
  }

  const remove = async (relative: string): Promise<void> => {
    if (removeOne(place, relative)) return
    // A tree is removed from inside: out there somebody could swap a directory for a link while we walk it.
    const execId = `rm.${Date.now().toString(36)}.${Math.random().toString(36).slice(2, 10)}`
    const timeoutMs = 60_000
    await self.start({ execId, taskId: 'keelson', argv: ['rm', '-rf', '--', `${root}/${relative}`], timeoutMs })
    const { state } = await self.poll(execId, { cursor: Number.MAX_SAFE_INTEGER, maxBytes: 0, waitMs: timeoutMs })
    if (state.exitCode !== 0) throw new AppError('sandbox_bad_request', `${relative} cannot be removed`)
  }

  const self: Sandbox = {
    ref,
    root,
    doors: options.doors,
    ...(services === null ? {} : { services }),
    ...(options.kept === undefined ? {} : { kept: options.kept }),
    limits: options.limits,
    async fenced(lease) {
      return createLocalSandbox({ ...options, variables, hasNetwork, fence: raiseFence(paths, lease) })
    },
    async start(spec, signal) {
      fence?.check()
      const given = spec.network ? { ...spec, env: { ...variables, ...spec.env } } : spec
      const checked = checkExecSpec(given, { root, maxTimeoutMs: options.limits.maxTimeoutMs })
      const known = readState(jobDir(paths, spec.execId))
      if (known !== null && known.status !== 'running') return known
      if (known === null && spec.network && hasNetwork) {
        await options.registriesReady(signal)
        fence?.check()
      }
      const reach = spec.reachesServices ? await services?.reached() : undefined
      const message = reach === undefined || reach.length === 0 ? checked : { ...checked, reach }
      const request = { op: 'start' as const, ...by, sandbox: ref.id, spec: message }
      const states = await client.request(request, { spawn: true, timeoutMs: REQUEST_MS + MAX_START_WAIT_MS })
      stores.report(ref.id, paths.shadow)
      return states?.[0] ?? stateOf(spec.execId)
    },
    async poll(execId, { cursor, maxBytes, waitMs, signal }) {
      signal?.throwIfAborted()
      const dir = jobDir(paths, execId)
      stateOf(execId)
      const state = await awaitChange(execId, cursor, waitMs, signal)
      signal?.throwIfAborted()
      const chunk = maxBytes > 0 ? readOutput(dir, cursor, maxBytes) : null
      if (chunk === null || chunk.data.length === 0) return { state, chunks: [], cursor }
      return { state, chunks: [chunk], cursor: chunk.offset + chunk.data.length }
    },
    async output(execId, { headBytes, tailBytes }) {
      const { bytes } = stateOf(execId)
      return readEnds(jobDir(paths, execId), headBytes, tailBytes, bytes)
    },
    async input(execId, data) {
      stateOf(execId)
      const text = data === 'eof' ? null : Buffer.from(data).toString('base64')
      const request = { op: 'input' as const, ...by, sandbox: ref.id, execId, data: text }
      const states = await client.request(request, within(REQUEST_MS))
      if (states === null) throw new AppError('sandbox_bad_request', `the command ${execId} has ended`)
    },
    async kill(execId) {
      const known = stateOf(execId)
      if (known.status !== 'running') return known
      fence?.check()
      const states = await client.request({ op: 'kill', ...by, sandbox: ref.id, execId }, within(REQUEST_MS))
      return states?.[0] ?? (await killByFiles(paths, execId))
    },
    async killAll(taskId) {
      fence?.check()
      const request = { op: 'killAll' as const, ...by, sandbox: ref.id, taskId: taskId ?? null }
      const states = await client.request(request, within(REQUEST_MS))
      if (states !== null) return [...states]
      const left = (await self.execs(taskId)).filter((state) => state.status === 'running')
      return await Promise.all(left.map((state) => killByFiles(paths, state.execId)))
    },
    async execs(taskId) {
      const states: ExecState[] = []
      for (const name of listJobs(paths)) {
        const dir = jobDir(paths, name)
        if (taskId !== undefined && readTaskId(dir) !== taskId) continue
        const state = readState(dir)
        if (state !== null) states.push(state)
      }
      return states.sort((a, b) => a.startedAt - b.startedAt)
    },
    async read(file, readOptions) {
      return await readFileSlice(place, inside(file), readOptions)
    },
    async write(files) {
      for (const file of files) await writeFileWhole(place, inside(file.path), file.data, file.mode)
    },
    async replaceFiles(entries, replaceOptions) {
      const check = () => {
        fence?.check()
        replaceOptions?.check?.()
      }
      return await inTurn(paths.shadow, () =>
        replaceFiles({ paths, limits: options.limits }, entries, { ...replaceOptions, check }),
      )
    },
    entries: () => walkAll(paths.workspace),
    packedEntries: () => walkForArchive(paths.workspace),
    async stat(file) {
      return statPath(place, inside(file))
    },
    async list(directory, listOptions) {
      return await listDirectory(place, inside(directory), listOptions)
    },
    async names(directory, { limit }) {
      return namesInDirectory(place, inside(directory), limit)
    },
    async remove(file) {
      await remove(inside(file))
    },
    async checkpoint() {
      return (await inTurn(paths.shadow, () => trees.take(), LOOKING)).tree
    },
    async changes(from, to) {
      return await changesBetween(trees, paths.shadow, from, to)
    },
    async diff(from, to, { maxBytes, paths: only, contextLines }) {
      return await patchBetween(
        trees,
        paths.shadow,
        { from, to },
        { maxBytes, ...(only && { paths: only.map(inTree) }), ...(contextLines !== undefined && { contextLines }) },
      )
    },
    async restore(tree, only, before) {
      checkTrees(tree, ...(before === undefined ? [] : [before]))
      const chosen = only === undefined || only.map(inTree).includes('') ? null : only.map(inTree).map(toBytes)
      fence?.check()
      await inTurn(paths.shadow, async () => {
        const current = await trees.take()
        const { from, to, isExact } = await trees.comparable(current.tree, tree)
        const touched = before === undefined ? null : await trees.comparable(before, tree)
        const within =
          touched && new Set((await compareTrees(trees.store, touched.from, touched.to)).map((change) => change.path))
        const changes = (await compareTrees(trees.store, from, to)).filter(
          (change) => isChosen(change.path, chosen) && (within === null || within.has(change.path)),
        )
        await applyChanges(place, trees, changes, { keepPermissions: !isExact })
        trees.addSources(
          changes
            .filter(
              ({ path, to }) => to !== null && (isDirectoryNode(to) || isInstalledFile(path)) && mayBeSource(path),
            )
            .map((change) => change.path),
        )
      })
    },
    async markLeftOut(key) {
      const places = trees.lastLeftOut() ?? (await inTurn(paths.shadow, () => trees.take(), LOOKING)).leftOut
      await keepMark(marks, key, places)
    },
    async network(network) {
      hasNetwork = network.policy !== 'none'
      await options.gateway?.open(ref.id, network)
    },
    setVariables(given) {
      variables = given
    },
    async denials(since) {
      return options.gateway?.denials(ref.id, since) ?? []
    },
    async leftOutSince(key) {
      const { leftOut } = await inTurn(paths.shadow, () => trees.take(), LOOKING)
      return await changedSince(marks, key, leftOut)
    },
    treeFiles: (tree) => filesOf(trees, tree),
    storedTrees: {
      kind: 'loose',
      readTree: (hash) => trees.store.readTree(hash),
      readBlob: (hash) => trees.store.readBlob(hash),
      largeFile: (content) => trees.large.pathOf(content),
    },
    async adoptTree(from, tree, base) {
      checkTrees(tree, base)
      if (from.kind !== 'loose') throw otherKind()
      return await inTurn(paths.shadow, () => trees.adopt(from, tree, base), LOOKING)
    },
    gitChanges: async (from, to, maxFiles) => await gitChangesBetween(trees, from, to, maxFiles),
    async pruneCheckpoints(ask) {
      pruneMarks(paths.shadow, KEPT_MARKS_MS)
      return await inTurn(paths.shadow, () => pruneObjects(paths.shadow, trees.store, ask))
    },
    async keepAlive() {
      utimesSync(paths.marker, new Date(), new Date())
    },
    async pause() {
      // Files stay as they are and processes end with their commands: there is nothing to save.
    },
    async usage() {
      return await measureWorkspace(place)
    },
  }
  return self
}

function listJobs(paths: SandboxPaths): string[] {
  try {
    return readdirSync(paths.jobs).filter((name) => !name.startsWith(NEW_PREFIX))
  } catch (error) {
    if (isMissing(error)) throw new AppError('sandbox_gone', 'this sandbox does not exist any more', { cause: error })
    throw error
  }
}

async function watchFiles(
  paths: SandboxPaths,
  execId: string,
  cursor: number,
  waitMs: number,
  signal?: AbortSignal,
): Promise<ExecState> {
  const deadline = Date.now() + waitMs
  for (;;) {
    const state = requireState(jobDir(paths, execId), execId)
    if (state.status !== 'running' || state.bytes > cursor || Date.now() >= deadline) return state
    await sleep(FILE_POLL_MS, undefined, signal && { signal })
  }
}

/** Without a runner a command cannot live long: it dies with its parent. This only makes sure of it. */
async function killByFiles(paths: SandboxPaths, execId: string): Promise<ExecState> {
  const identity = readPid(jobDir(paths, execId))
  if (identity !== null && isAlive(identity)) {
    try {
      process.kill(identity.pid, 'SIGKILL')
    } catch {
      // ESRCH: gone in between.
    }
  }
  return await watchFiles(paths, execId, Number.MAX_SAFE_INTEGER, REQUEST_MS)
}
