/**
 * Runs git inside a sandbox so that it reaches one repository and nothing else, see egress/git-proxy.ts. Git sees no
 * configuration and no credential of this host; a credential is added on the way, outside.
 */

import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { rootCertificates } from 'node:tls'
import { gitAuthorization, type OpenCredential } from '../credentials/credentials.ts'
import { BRIDGE_FILE } from '../egress/bridge.ts'
import { openDoor } from '../egress/door.ts'
import { createGitProxy, type GitFailure, type GitService, innerOrigin } from '../egress/git-proxy.ts'
import type { Resolve } from '../egress/resolve.ts'
import type { ExecState, Sandbox } from '../sandbox/types.ts'
import type { FillControl } from '../sandbox/workspaces.ts'
import { AppError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { gitHostOf } from './git-host.ts'

const POLL_MS = 1_000
const POLL_BYTES = 64 * 1024
/** The end of git's output, in which it says what went wrong. */
const KEPT_CHARACTERS = 16 * 1024
/** A host that says nothing for so long does not answer. */
const SILENCE_MS = 30_000
const SYSTEM_CAS = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem']

/** How this installation reaches git hosts. */
export interface GitSettings {
  /** Origins that may be private, such as `https://git.example.com:8443`. */
  readonly origins: readonly string[]
  /** A file in PEM with more certificate authorities. */
  readonly extraCaFile?: string | undefined
  readonly resolve?: Resolve
  /** How long a host may be silent, in milliseconds; default 30 s. */
  readonly silenceMs?: number
}

/** A credential for the repository's host; `isNamed`: somebody chose it, so it is sent with the first request. */
export interface GitCredential extends OpenCredential {
  readonly isNamed: boolean
}

/** One run of git in a sandbox that may reach one repository and nothing else. */
export interface GitRun {
  /** What the command is for, as a part of its exec id: `clone`. */
  readonly name: string
  /** The repository's address, as git is given it: `https://…`. */
  readonly url: string
  readonly services: readonly GitService[]
  readonly credential: GitCredential | null
  /** For bash; `words` are its arguments from `$1` on. */
  readonly script: string
  readonly words: readonly string[]
  /** Variables besides those that keep git to itself. */
  readonly env?: Readonly<Record<string, string>>
  readonly limitMinutes: number
  /** Told of git's output as it comes, at most a few times a second. Must not throw. */
  onOutput?(text: string): void
}

/** How a run of git ended; whether that is a failure is for the caller to say. */
export interface GitResult {
  readonly state: ExecState
  /** The end of what git printed, both streams. */
  readonly output: string
  /** Why the newest request that failed did so. */
  readonly failure: GitFailure | null
  /** Whether the credential was sent to its host. */
  readonly usedCredential: boolean
}

/**
 * Runs the script in a sandbox that has doors. Throws `project_source_failed` for a host that cannot be used, and
 * `sandbox_*`; what git says about a failure is in the result.
 */
export async function runGit(
  sandbox: Sandbox,
  run: GitRun,
  settings: GitSettings,
  control: Pick<FillControl, 'check' | 'onProgress'>,
): Promise<GitResult> {
  const host = gitHostOf(run.url, settings.origins)
  const { doors } = sandbox
  if (!doors) throw new AppError('sandbox_unavailable', 'This kind of sandbox cannot reach a repository.')
  let usedCredential = false
  const { credential } = run
  const { server, failure } = createGitProxy({
    host: host.host,
    port: host.port,
    addresses: host.isNamed ? 'configured' : 'public',
    repository: new URL(run.url).pathname,
    services: run.services,
    ...(credential === null
      ? {}
      : { authorization: { value: gitAuthorization(credential), always: credential.isNamed } }),
    onAuthorized: () => {
      usedCredential = true
    },
    trusted: trustedAuthorities(settings.extraCaFile),
    resolve: settings.resolve,
    idleTimeoutMs: settings.silenceMs ?? SILENCE_MS,
    maxLifeMs: run.limitMinutes * 60_000,
  })
  const door = await openDoor({ dir: doors.dir, proxy: server })
  try {
    const { state, output } = await runInside(
      sandbox,
      run,
      doors.inside(door.name),
      door.name,
      innerOrigin(host),
      control,
    )
    if (state.status === 'lost') throw new AppError('sandbox_busy', `The ${run.name} was cut off; it is tried again.`)
    return { state, output, failure: failure(), usedCredential }
  } finally {
    await door.close()
  }
}

async function runInside(
  sandbox: Sandbox,
  run: GitRun,
  inside: string,
  door: string,
  origin: string,
  { check, onProgress }: Pick<FillControl, 'check' | 'onProgress'>,
): Promise<{ state: ExecState; output: string }> {
  const execId = `${run.name}.${newId('req')}`
  await sandbox.start({
    execId,
    taskId: 'keelson',
    argv: ['node', path.posix.join(inside, BRIDGE_FILE), inside, 'bash', '-c', run.script, run.name, ...run.words],
    env: { ...gitEnvironment(run.url, origin), ...run.env },
    door,
    timeoutMs: run.limitMinutes * 60_000,
  })
  let output = ''
  try {
    for (let cursor = 0; ; ) {
      const polled = await sandbox.poll(execId, { cursor, maxBytes: POLL_BYTES, waitMs: POLL_MS })
      cursor = polled.cursor
      const text = Buffer.concat(polled.chunks.map((chunk) => Buffer.from(chunk.data))).toString('latin1')
      // Progress is drawn over itself with carriage returns.
      const lines = text.replaceAll('\r', '\n')
      output = `${output}${lines}`.slice(-KEPT_CHARACTERS)
      if (lines !== '') run.onOutput?.(lines)
      onProgress()
      if (polled.state.status !== 'running' && polled.chunks.length === 0) return { state: polled.state, output }
      check()
    }
  } catch (error) {
    await sandbox.kill(execId)
    throw error
  }
}

/** Nothing asks, nothing runs that the repository brings, and the one address is asked for where the door is. */
function gitEnvironment(url: string, origin: string): Record<string, string> {
  const config: Readonly<Record<string, string>> = {
    [`url.${origin}.insteadOf`]: /^https:\/\/[^/?#]*\//.exec(url)?.[0] ?? url,
    'protocol.allow': 'never',
    'protocol.http.allow': 'always',
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
    GIT_TERMINAL_PROMPT: '0',
    GIT_LFS_SKIP_SMUDGE: '1',
    LC_ALL: 'C',
  }
}

/** The host's own certificate authorities and the operator's, in PEM. */
export function trustedAuthorities(extraCaFile: string | undefined): string[] {
  const system = SYSTEM_CAS.find((file) => existsSync(file))
  const own = system === undefined ? [...rootCertificates] : [readFileSync(system, 'utf8')]
  return extraCaFile === undefined ? own : [...own, readFileSync(extraCaFile, 'utf8')]
}
