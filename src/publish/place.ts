/**
 * Where a commit is made: a local sandbox of its own for one publication, with a repository of ours in it. No command of a
 * project ever runs there, and its git knows neither a project's configuration and hooks nor a credential.
 */

import type { Sandbox, SandboxProvider } from '../sandbox/types.ts'
import { AppError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { runExec } from '../tools/exec.ts'

/** The directory of the repository in the place, and that of the files. */
export const REPOSITORY = 'repository'
/** The directory of the delivered files in the place; see {@link REPOSITORY}. */
export const TREE = 'tree'

const TIMEOUT_MS = 5 * 60_000
const MAX_OUTPUT_BYTES = 8 * 1024 * 1024
const GENERATION = 1

/** A script for bash that runs in a place without any network, five minutes and 8 MiB of output at most. */
export interface LocalGit {
  readonly script: string
  /** `$1`, `$2` … of the script. */
  readonly words?: readonly string[]
  readonly stdin?: Uint8Array
  readonly env?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  onProgress(): void
}

/** Opens the place of a publication; makes it when it is not there. Safe to repeat. Throws the `sandbox_*` codes. */
export async function openPlace(provider: SandboxProvider, publicationId: string): Promise<Sandbox> {
  const spec = { projectId: publicationId, generation: GENERATION, kind: provider.kind }
  return await provider.open(await provider.ensure(spec))
}

/** Removes the place of a publication, if there is one. Safe to repeat. */
export async function removePlace(provider: SandboxProvider, publicationId: string): Promise<void> {
  const ref = { kind: provider.kind, projectId: publicationId, generation: GENERATION }
  await provider.destroy({ ...ref, id: `${publicationId}/g${GENERATION}` })
}

/** Variables that lead every git of a place to its repository and its files, and to nothing else. */
export function placeEnvironment(place: Pick<Sandbox, 'root'>): Record<string, string> {
  return { GIT_DIR: `${place.root}/${REPOSITORY}`, GIT_WORK_TREE: `${place.root}/${TREE}` }
}

/**
 * Runs a script of bash in the place, without any way out, and returns what it printed, bytes as latin1. Throws
 * `git_refused` with its last words when it fails, and the `sandbox_*` codes.
 */
export async function runInPlace(place: Sandbox, run: LocalGit): Promise<string> {
  const { state, head, omittedBytes } = await runExec(
    place,
    {
      execId: `publish.${newId('req')}`,
      taskId: 'keelson',
      argv: ['bash', '-euc', run.script, 'publish', ...(run.words ?? [])],
      env: { ...GIT_ENVIRONMENT, ...placeEnvironment(place), ...run.env },
      ...(run.stdin === undefined ? {} : { stdin: run.stdin }),
      timeoutMs: TIMEOUT_MS,
    },
    {
      signal: run.signal,
      shouldKill: () => true,
      onProgress: run.onProgress,
      headBytes: MAX_OUTPUT_BYTES,
      tailBytes: 0,
    },
  )
  const output = Buffer.from(head).toString('latin1')
  if (state.status === 'lost') throw new AppError('sandbox_busy', 'Git was cut off; it is run again.')
  if (state.status !== 'exited' || state.exitCode !== 0) {
    const last = printable(output.trim().split('\n').at(-1) ?? '')
    throw new AppError('git_refused', `Git could not make the commit (${state.reason ?? state.status}). ${last}`.trim())
  }
  if (omittedBytes > 0) throw new AppError('git_refused', 'Too many files differ to be published.')
  return output
}

/** What a program said, as far as it may stand in a sentence: at most 300 characters of ASCII. Pure. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 300)
}

const CONFIG: Readonly<Record<string, string>> = {
  'core.hooksPath': '/dev/null',
  'core.excludesFile': '/dev/null',
  'core.attributesFile': '/dev/null',
  'core.symlinks': 'true',
  'core.fileMode': 'true',
  'core.autocrlf': 'false',
  'core.safecrlf': 'false',
  'core.quotePath': 'false',
  'protocol.allow': 'never',
  'gc.auto': '0',
  'pack.threads': '1',
  'advice.addEmbeddedRepo': 'false',
}

const GIT_ENVIRONMENT: Readonly<Record<string, string>> = {
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_CONFIG_COUNT: String(Object.keys(CONFIG).length),
  ...Object.fromEntries(
    Object.entries(CONFIG).flatMap(([key, value], i) => [
      [`GIT_CONFIG_KEY_${i}`, key],
      [`GIT_CONFIG_VALUE_${i}`, value],
    ]),
  ),
  GIT_TERMINAL_PROMPT: '0',
  LC_ALL: 'C',
}
