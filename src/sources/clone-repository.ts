/**
 * Clones a repository by git inside the sandbox that gets it, which reaches that one host through a door of its own and
 * nothing else. Git sees no configuration and no credential of this host; size, files and time are limited like a workspace.
 */

import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { rootCertificates } from 'node:tls'
import type { Resolve } from '../egress/addresses.ts'
import { BRIDGE_FILE } from '../egress/bridge.ts'
import { openDoor } from '../egress/door.ts'
import type { FillReport, GitSource } from '../sandbox/fill.ts'
import type { ExecState, Sandbox } from '../sandbox/types.ts'
import type { FillControl } from '../sandbox/workspaces.ts'
import { AppError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { describeFailedClone } from './clone-failure.ts'
import { CLONE_SCRIPT } from './clone-script.ts'
import { type GitHost, gitHostOf } from './git-host.ts'

export const DEFAULT_DEPTH = 50
const LIMIT_MINUTES = 8
const MAX_FILES = 200_000
const POLL_MS = 1_000
const POLL_BYTES = 64 * 1024
/** The end of git's output, in which it says what went wrong. */
const KEPT_CHARACTERS = 16 * 1024
/** A host that says nothing for so long does not answer. */
const SILENCE_MS = 30_000
const CA_FILE = 'ca.pem'
const MIB = 1024 * 1024
const SYSTEM_CAS = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem']

export interface CloneSettings {
  /** Origins that may be private, such as `https://git.example.com:8443`. */
  readonly origins: readonly string[]
  /** A file in PEM with more certificate authorities. */
  readonly extraCaFile?: string | undefined
  readonly resolve?: Resolve
  /** How long a host may be silent, in milliseconds; default 30 s. */
  readonly silenceMs?: number
}

/**
 * Clones into an empty sandbox that has doors. Throws `project_source_failed` with a sentence, and `sandbox_*`; the sandbox
 * is to be thrown away then.
 */
export async function cloneRepository(
  sandbox: Sandbox,
  source: GitSource,
  settings: CloneSettings,
  control: Pick<FillControl, 'check' | 'onProgress'>,
): Promise<FillReport> {
  const host = gitHostOf(source.url, settings.origins)
  const { doors } = sandbox
  if (!doors) throw new AppError('sandbox_unavailable', 'This kind of sandbox cannot clone a repository.')
  let isRefused = false
  const door = await openDoor({
    dir: doors.dir,
    files: { [CA_FILE]: trustedAuthorities(settings.extraCaFile) },
    decide: (asked) =>
      asked.kind === 'connect' && asked.host === host.host && asked.port === host.port
        ? { action: 'tunnel', addresses: host.isNamed ? 'configured' : 'public' }
        : { action: 'refuse', reason: 'a clone reaches the repository’s own host alone.' },
    onDecision: (record) => {
      isRefused ||= record.action === 'refuse'
    },
    ...(host.isNamed ? { namedAddresses: new Set([host.authority]) } : {}),
    ...(settings.resolve ? { resolve: settings.resolve } : {}),
    limits: { idleTimeoutMs: settings.silenceMs ?? SILENCE_MS, maxLifeMs: LIMIT_MINUTES * 60_000, maxConnections: 16 },
  })
  try {
    const inside = doors.inside(door.name)
    const { state, output } = await runClone(sandbox, source, { door: door.name, inside }, control)
    if (state.status === 'lost') throw new AppError('sandbox_busy', 'The clone was cut off; it is tried again.')
    if (state.exitCode !== 0) {
      const { status, reason } = state
      throw failed(
        describeFailedClone({ status, reason, output, ref: source.ref, isRefused, limitMinutes: LIMIT_MINUTES }),
      )
    }
    return await reportOf(sandbox, output, host)
  } finally {
    await door.close()
  }
}

async function runClone(
  sandbox: Sandbox,
  source: GitSource,
  { door, inside }: { door: string; inside: string },
  { check, onProgress }: Pick<FillControl, 'check' | 'onProgress'>,
): Promise<{ state: ExecState; output: string }> {
  const execId = `clone.${newId('req')}`
  const { workspaceBytes, fileBytes } = sandbox.limits ?? { workspaceBytes: 1024 * MIB, fileBytes: 1024 * MIB }
  const depth = String(source.depth ?? DEFAULT_DEPTH)
  const words = [source.url, source.ref ?? '', depth, String(workspaceBytes), String(fileBytes), String(MAX_FILES)]
  await sandbox.start({
    execId,
    taskId: 'keelson',
    argv: ['node', path.posix.join(inside, BRIDGE_FILE), inside, 'bash', '-c', CLONE_SCRIPT, 'clone', ...words],
    env: gitEnvironment(inside),
    door,
    timeoutMs: LIMIT_MINUTES * 60_000,
  })
  let output = ''
  try {
    for (let cursor = 0; ; ) {
      const {
        state,
        chunks,
        cursor: next,
      } = await sandbox.poll(execId, { cursor, maxBytes: POLL_BYTES, waitMs: POLL_MS })
      cursor = next
      const text = Buffer.concat(chunks.map((chunk) => Buffer.from(chunk.data))).toString('latin1')
      // Progress is drawn over itself with carriage returns.
      output = `${output}${text.replaceAll('\r', '\n')}`.slice(-KEPT_CHARACTERS)
      onProgress()
      if (state.status !== 'running' && chunks.length === 0) return { state, output }
      check()
    }
  } catch (error) {
    await sandbox.kill(execId)
    throw error
  }
}

/** Nothing asks, nothing runs that the repository brings, nothing but https is spoken. */
function gitEnvironment(inside: string): Record<string, string> {
  const config: Readonly<Record<string, string>> = {
    'protocol.allow': 'never',
    'protocol.https.allow': 'always',
    'core.hooksPath': '/dev/null',
    'core.symlinks': 'true',
    'credential.helper': '',
    'submodule.recurse': 'false',
    'transfer.bundleURI': 'false',
    'filter.lfs.smudge': '',
    'filter.lfs.process': '',
    'filter.lfs.required': 'false',
    'gc.auto': '0',
    'advice.detachedHead': 'false',
    'http.sslCAInfo': path.posix.join(inside, CA_FILE),
    'pack.threads': '1',
  }
  const entries = Object.entries(config)
  return {
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_COUNT: String(entries.length),
    ...Object.fromEntries(
      entries.flatMap(([key, value], i) => [
        [`GIT_CONFIG_KEY_${i}`, key],
        [`GIT_CONFIG_VALUE_${i}`, value],
      ]),
    ),
    GIT_ASKPASS: '/bin/false',
    SSH_ASKPASS: '/bin/false',
    GIT_LFS_SKIP_SMUDGE: '1',
    LC_ALL: 'C',
  }
}

/** The host's own authorities and the operator's. */
function trustedAuthorities(extraCaFile: string | undefined): string {
  const system = SYSTEM_CAS.find((file) => existsSync(file))
  const own = system === undefined ? rootCertificates.join('\n') : readFileSync(system, 'utf8')
  return extraCaFile === undefined ? own : `${own}\n${readFileSync(extraCaFile, 'utf8')}\n`
}

async function reportOf(sandbox: Sandbox, output: string, host: GitHost): Promise<FillReport> {
  const { sizeBytes, files } = await sandbox.usage()
  const most = sandbox.limits?.workspaceBytes ?? Number.MAX_SAFE_INTEGER
  if (sizeBytes > most) {
    throw failed(
      `The repository cannot be cloned: with its history it is more than ${Math.round(most / MIB)} MiB, the limit of a workspace.`,
    )
  }
  const commit = /^keelson:commit ([0-9a-f]{40,64})$/m.exec(output)?.[1]
  const [, submodules = '0', lfs = '0'] = /^keelson:left-out (\d+) (\d+)$/m.exec(output) ?? []
  const notes = [
    ...(Number(submodules) > 0 ? [`Submodules (${submodules}) were not fetched; their directories are empty.`] : []),
    ...(Number(lfs) > 0 ? ['Files kept in Git LFS were not fetched; what is there are pointers to them.'] : []),
    ...(commit === undefined ? [`The repository at ${host.host} has no commits yet.`] : []),
  ]
  return { files, sizeBytes, notes, ...(commit === undefined ? {} : { commit }) }
}

function failed(message: string): AppError {
  return new AppError('project_source_failed', message)
}
