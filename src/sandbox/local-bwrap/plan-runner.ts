import { existsSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { gatewayPaths } from '../../egress/gateway-files.ts'
import type { LimitKeeper } from './cgroup.ts'
import { type CommandUser, commandUserOf } from './command-user.ts'
import { endFormerRunners } from './former-runner.ts'
import { type PrivatePlace, placesToHide } from './hidden-places.ts'
import { hostViewThrough, lookAtHost } from './host-view.ts'
import { ownSocketPath, runnerSocketPath } from './layout.ts'
import type { Limits } from './limits.ts'
import type { RunnerArgs } from './runner-args.ts'
import { runnerIdentity } from './runner-identity.ts'
import { viewFor, withoutDescriptors } from './stage-view.ts'
import { takeOverDirectory } from './take-over.ts'
import { withToolchains } from './toolchains.ts'

/** The checkout or installation that this code lies in: its `.env`, its code, by default its home. */
const CODE = path.resolve(import.meta.dirname, '../../..')

function privatePlaces({ dir, privateDirs, projectRoots }: RunnerPlanOptions): PrivatePlace[] {
  const own = [
    { name: 'the directory of the sandboxes', path: dir },
    { name: 'the installation', path: CODE },
    ...privateDirs.map((each) => ({ name: 'KEELSON_HOME', path: each })),
  ]
  const roots = projectRoots.map((root) => ({ name: 'KEELSON_PROJECT_ROOTS', path: root, mayHoldBinds: true }))
  return [...own.map((place) => ({ ...place, mayHoldBinds: false })), ...roots]
}

/** How the runner of a directory is started and reached. */
export interface RunnerPlan {
  /** Who its commands are; null: whoever this process is. */
  readonly user: CommandUser | null
  /** The number of the user that it runs as. */
  readonly uid: number
  /** What no command may see, with its real path. */
  readonly privatePaths: readonly string[]
  /** See `runnerIdentity`. */
  readonly identity: string
  /** Its socket, as this process finds it. */
  readonly socketPath: string
  /** The whole command line for a program that takes the runner's arguments. Pure. */
  commandFor(program: readonly string[]): string[]
  readonly args: RunnerArgs
}

/**
 * What decides how the runner of a directory is started; see `LocalProviderOptions` for what leaves it to a default.
 */
export interface RunnerPlanOptions {
  /** Base directory of the sandboxes, a real path. */
  readonly dir: string
  readonly limits: Limits
  readonly nodePath: string
  /** Commands of `unsafe-host` run on the host itself, as whoever this process is. */
  readonly kind: RunnerArgs['kind']
  readonly bwrapPath: string | null
  readonly idleMs: number
  /** Directories of toolchains outside /usr that commands see. */
  readonly toolchains: readonly string[]
  /** More directories that no command may see: all data of this installation. */
  readonly privateDirs: readonly string[]
  /** Directories with other projects, which no command may see either. */
  readonly projectRoots: readonly string[]
  /** `KEELSON_SANDBOX_USER`. */
  readonly userSetting: string | undefined
  /** Who keeps memory and processes within their limits; default the best that this host has. */
  readonly keeper?: LimitKeeper | undefined
}

/**
 * Decides who commands are, gives what is in the directory to that user, ends a runner that is somebody else, and says how a
 * new one is started. Safe to repeat. Throws `sandbox_unavailable` with what to do, and `sandbox_unreachable` when the
 * directory could not be given over, which may be retried.
 */
export async function planRunner(options: RunnerPlanOptions): Promise<RunnerPlan> {
  const { kind, dir, limits, nodePath, bwrapPath, idleMs } = options
  const ownUid = process.getuid?.() ?? 0
  const user = kind === 'unsafe-host' ? null : commandUserOf(dir, options.userSetting)
  const seen = withToolchains(lookAtHost(nodePath), options.toolchains)
  const host = kind === 'unsafe-host' ? seen : { ...seen, hidden: placesToHide(seen.mounts, privatePlaces(options)) }
  const { prefix, inView } = viewFor(dir, host, user)
  await endFormerRunners(dir, user?.uid ?? ownUid)
  if (user !== null) await takeOverDirectory(dir, user)
  const isolation = {
    kind,
    dir: inView(dir),
    limits,
    bwrapPath,
    nodePath,
    idleMs,
    user,
    host: hostViewThrough(host, inView),
    gatewayDir: inView(gatewayPaths(dir).dir),
    ...(options.keeper && { keeper: options.keeper }),
  }
  const identity = runnerIdentity(isolation)
  const uid = user?.uid ?? ownUid
  const isMoved = inView(dir) !== dir
  const socketPath = isMoved ? ownSocketPath(dir, identity) : runnerSocketPath(dir, identity, uid)
  return {
    user,
    uid,
    identity,
    privatePaths: privatePlaces(options)
      .filter((place) => existsSync(place.path))
      .map((place) => realpathSync(place.path)),
    socketPath,
    commandFor: (program) => withoutDescriptors([...prefix, ...program]),
    args: { ...isolation, socketPath: isMoved ? ownSocketPath(inView(dir), identity) : socketPath },
  }
}
