import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  statSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { createEgressGateway, type RegistryTokens } from '../../egress/gateway-client.ts'
import type { HostProxies } from '../../egress/host-proxy.ts'
import { AppError } from '../../shared/errors.ts'
import type {
  Doors,
  ProbeReport,
  SandboxKind,
  SandboxProvider,
  SandboxRef,
  SandboxSummary,
  Unfinished,
} from '../types.ts'
import type { LimitKeeper } from './cgroup.ts'
import type { CommandUser } from './command-user.ts'
import { makeFences } from './fence.ts'
import { isMissing, NEW_PREFIX, readState, readTaskId, writeWhole } from './job-files.ts'
import { keptInstallations, pruneKept } from './kept-installations.ts'
import {
  DOOR,
  doorsDir,
  keptDir,
  projectCacheDir,
  projectOf,
  type SandboxPaths,
  sandboxId,
  sandboxPaths,
  servicesDir,
  WORKSPACE,
} from './layout.ts'
import type { Limits } from './limits.ts'
import { namesIn } from './names-in.ts'
import { planRunner } from './plan-runner.ts'
import { probeBwrap } from './probe.ts'
import { removeTree } from './remove-tree.ts'
import { finishSwap } from './replace-files.ts'
import { createRunnerClient } from './runner-client.ts'
import { createLocalSandbox } from './sandbox.ts'
import { initShadow } from './shadow-git.ts'
import { createStoreReports } from './store-report.ts'
import { giveTo, takeOverWorkspace } from './take-over.ts'
import { createTreeStates } from './tree-state.ts'

/** What a provider of this host's sandboxes is made of; `createSandboxProvider` fills in the defaults. */
export interface LocalProviderOptions {
  readonly kind: Extract<SandboxKind, 'local-bwrap' | 'unsafe-host'>
  /** Where all sandboxes of this host live; made when it is missing. */
  readonly dir: string
  readonly limits: Limits
  readonly nodePath: string
  /** Who keeps memory and processes within their limits; default the best that this host has. */
  readonly keeper?: LimitKeeper
  /** Absolute path of bwrap, null when it is not installed. */
  readonly bwrapPath: string | null
  /** The runner ends after this long without commands and workers. */
  readonly runnerIdleMs: number
  /** Whom root runs commands as, `KEELSON_SANDBOX_USER`; left out: a number of the directory's own. */
  readonly sandboxUser?: string | undefined
  /** Files with certificates, in PEM, that are trusted on the way out of sandboxes. */
  readonly trustedFiles: readonly string[]
  /** Stored tokens that the gateway adds for registries. */
  readonly registryTokens?: RegistryTokens | undefined
  /** The proxies that this host itself must use to get out. */
  readonly hostProxies: HostProxies
  /** See `SandboxProviderOptions.registriesReady`. */
  registriesReady(signal?: AbortSignal): Promise<void>
  /** What a project's kept installations may come to on disk. */
  readonly keptBytes: number
  /** Directories of toolchains outside /usr that commands see. */
  readonly toolchains: readonly string[]
  /** All data of this installation, and directories with other projects: no command may see them. */
  readonly privateDirs: readonly string[]
  readonly projectRoots: readonly string[]
  readonly logger: SandboxLogger
}

/** The part of a pino logger that is used here. */
export interface SandboxLogger {
  info(fields: Record<string, unknown>, message: string): void
  warn(fields: Record<string, unknown>, message: string): void
}

const GATEWAY_IDLE_MS = 120_000
const KILL_WAIT_MS = 15_000

/**
 * Sandboxes as directories of this host. `unsafe-host` is the same without bubblewrap: commands then run with the
 * worker's own rights and see the whole host; its probe says so.
 */
export function createLocalProvider(options: LocalProviderOptions): SandboxProvider {
  const { kind, limits, nodePath, logger } = options
  mkdirSync(options.dir, { recursive: true, mode: 0o700 })
  const dir = realpathSync(options.dir)
  const bwrapPath = kind === 'unsafe-host' ? null : options.bwrapPath
  const doors: Doors = {
    dir: doorsDir(dir),
    inside: (name) => (kind === 'unsafe-host' ? path.join(doorsDir(dir), name) : DOOR),
  }
  const trees = createTreeStates(limits.minFreeDiskBytes)
  const kept = kind === 'unsafe-host' ? undefined : keptInstallations(dir, options.keptBytes)
  const { sandboxUser: userSetting, toolchains, privateDirs, projectRoots, runnerIdleMs: idleMs, keeper } = options
  const isolation = { kind, limits, nodePath, bwrapPath, userSetting, toolchains, privateDirs, projectRoots, keeper }
  const settle = onceSettled(() => planRunner({ ...isolation, dir, idleMs }))
  const client = createRunnerClient(dir, settle)
  const stores = createStoreReports(client)
  /** Makes sure that a sandbox's files are the user's whose commands are to work with them. */
  const takeOver = async (paths: SandboxPaths): Promise<void> => {
    const { user } = await settle()
    if (user !== null) await takeOverWorkspace(paths, user)
    // Where the whole host is open anyway, what is written next is root's again: the next sandboxed start takes it over.
    else if (process.getuid?.() === 0) giveTo({ uid: 0, gid: 0 }, paths.workspace)
  }
  const gateway =
    kind === 'unsafe-host'
      ? null
      : createEgressGateway({
          sandboxesDir: dir,
          nodePath,
          trustedFiles: options.trustedFiles,
          tokens: options.registryTokens,
          hostProxies: options.hostProxies,
          idleMs: GATEWAY_IDLE_MS,
        })

  const pathsOf = (ref: SandboxRef): SandboxPaths => {
    if (ref.kind !== kind) throw new AppError('sandbox_bad_request', `${ref.kind} is not this provider's kind`)
    if (ref.id !== sandboxId(ref.projectId, ref.generation)) {
      throw new AppError('sandbox_bad_request', 'the sandbox id does not belong to its project')
    }
    return sandboxPaths(dir, ref.id)
  }

  /** Removes what lies in the trash; what cannot be removed now is left for the next sweep, and keeps nobody else's. */
  const discard = async (doomed: string): Promise<void> => {
    try {
      await removeTree(doomed)
    } catch (error) {
      logger.warn({ err: error, tree: path.basename(doomed) }, 'a removed sandbox still lies in the trash')
    }
  }

  return {
    kind,
    async probe() {
      const report =
        kind === 'unsafe-host' ? unsafeReport() : await probeBwrap({ dir, bwrapPath, nodePath, plan: settle })
      const fields = { sandboxKind: kind, ok: report.ok, detail: report.detail }
      if (report.ok && kind !== 'unsafe-host') logger.info(fields, 'sandbox probed')
      else logger.warn(fields, 'sandbox probed')
      return report
    },
    async ensure({ projectId, generation, existing }) {
      const ref: SandboxRef = { kind, projectId, generation, id: sandboxId(projectId, generation) }
      const paths = pathsOf(ref)
      if (existsSync(paths.marker)) return ref
      if (existing !== undefined && existing.generation === generation && existing.kind === kind) throw gone()
      makeSandbox(paths, ref, (await settle()).user)
      return ref
    },
    async open(ref) {
      const paths = pathsOf(ref)
      finishSwap(paths)
      if (!existsSync(paths.marker) || !existsSync(paths.workspace)) throw gone()
      await takeOver(paths)
      const root = kind === 'unsafe-host' ? paths.workspace : WORKSPACE
      return createLocalSandbox({
        ref,
        paths,
        root,
        client,
        stores,
        limits,
        doors,
        gateway,
        registriesReady: options.registriesReady,
        // Without a sandbox nothing would keep a project's commands from what is kept.
        ...(kept === undefined ? {} : { kept }),
        servicesDir: kind === 'unsafe-host' ? null : servicesDir(dir, ref.id),
        trees: trees.of(paths),
      })
    },
    async *list() {
      for (const id of listIds(dir)) yield* summaryOf(sandboxPaths(dir, id))
    },
    async destroy(ref) {
      const paths = pathsOf(ref)
      await client.request({ op: 'killAll', sandbox: ref.id, taskId: null }, { spawn: false, timeoutMs: KILL_WAIT_MS })
      await gateway?.forget(ref.id)
      const trash = path.join(dir, 'trash')
      mkdirSync(trash, { recursive: true, mode: 0o700 })
      // What belongs to the project stays for a later generation of its sandbox.
      const others = namesIn(path.dirname(paths.base)).filter((name) => name !== path.basename(paths.base))
      const ofProject = others.length > 0 ? [] : [projectCacheDir(dir, ref.id), keptDir(dir, projectOf(ref.id))]
      for (const tree of [paths.base, ...ofProject, servicesDir(dir, ref.id)]) {
        const doomed = path.join(trash, randomBytes(9).toString('hex'))
        try {
          // From here on it is gone for everybody, whether or not the slow part below is interrupted.
          renameSync(tree, doomed)
        } catch (error) {
          if (!isMissing(error)) throw error
        }
        await discard(doomed)
      }
      trees.forget(paths)
      removeEmpty(path.dirname(paths.base))
    },
    async prune(olderThanMs, unfinished) {
      for (const name of namesIn(path.join(dir, 'trash'))) await discard(path.join(dir, 'trash', name))
      await pruneKept(dir, discard)
      let removed = 0
      const before = Date.now() - olderThanMs
      for (const id of listIds(dir)) removed += await pruneJobs(sandboxPaths(dir, id).jobs, before, unfinished)
      return removed
    },
    async close() {
      client.close()
      gateway?.disconnect()
    },
  }
}

/** Calls `work` once and keeps what it returned; a failure is not kept. */
function onceSettled<T>(work: () => Promise<T>): () => Promise<T> {
  let known: Promise<T> | undefined
  return () => {
    if (known !== undefined) return known
    const fresh = work()
    known = fresh
    fresh.catch(() => {
      known = undefined
    })
    return fresh
  }
}

/** Takes away a project's directory once its last sandbox has left it: its name is the project's id. */
function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : ''
    if (code !== 'ENOENT' && code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
  }
}

function gone(): AppError {
  return new AppError('sandbox_gone', 'this sandbox does not exist any more; its files are lost')
}

/** Every part may be there already; the marker comes last, so a sandbox exists whole or not at all. */
function makeSandbox(paths: SandboxPaths, ref: SandboxRef, user: CommandUser | null): void {
  for (const part of [paths.jobs, paths.staging]) mkdirSync(part, { recursive: true, mode: 0o700 })
  mkdirSync(paths.workspace, { recursive: true, mode: 0o755 })
  // What is to be ours alone, checkpoints and files on their way in, stays ours.
  for (const part of [path.dirname(paths.base), paths.base, paths.jobs, paths.workspace]) giveTo(user, part)
  makeFences(paths)
  initShadow(paths.shadow)
  if (!existsSync(paths.marker)) writeWhole(paths.marker, JSON.stringify({ ref, createdAt: Date.now() }))
}

function listIds(dir: string): string[] {
  const projects = path.join(dir, 'projects')
  return namesIn(projects).flatMap((projectId) =>
    namesIn(path.join(projects, projectId)).map((generation) => `${projectId}/${generation}`),
  )
}

function* summaryOf(paths: SandboxPaths): Generator<SandboxSummary> {
  try {
    // Our own file, replaced whole.
    const marker = JSON.parse(readFileSync(paths.marker, 'utf8')) as { ref: SandboxRef; createdAt: number }
    yield { ref: marker.ref, createdAt: marker.createdAt, state: 'running' }
  } catch (error) {
    // Half made or just being destroyed: not a sandbox.
    if (!isMissing(error)) throw error
  }
}

async function pruneJobs(jobs: string, before: number, unfinished: Unfinished): Promise<number> {
  const old: { readonly dir: string; readonly taskId: string | null }[] = []
  for (const name of existsSync(jobs) ? readdirSync(jobs) : []) {
    const dir = path.join(jobs, name)
    if (name.startsWith(NEW_PREFIX) || statSync(dir).mtimeMs > before) continue
    const endedAt = readState(dir)?.endedAt
    if (endedAt === undefined || endedAt === null || endedAt > before) continue
    old.push({ dir, taskId: readTaskId(dir) })
  }
  const tasks = new Set(old.flatMap(({ taskId }) => (taskId === null ? [] : [taskId])))
  // Asked after their commands were found to have ended: a task that is over by now starts none again.
  const kept = tasks.size === 0 ? tasks : await unfinished([...tasks])
  const gone = old.filter(({ taskId }) => taskId === null || !kept.has(taskId))
  for (const { dir } of gone) await rm(dir, { recursive: true, force: true })
  return gone.length
}

function unsafeReport(): ProbeReport {
  return {
    ok: true,
    kind: 'unsafe-host',
    detail: 'NO SANDBOX: commands run on this host with the rights of the worker, because a setting says so',
    isolation: { userNamespace: false, network: false, seccomp: false, pidLimit: false, memoryLimit: false },
    protections: [],
  }
}
