import { bringIn } from '../../sandbox/fill.ts'
import type { Sandbox, SandboxProvider, WorkspaceEntry } from '../../sandbox/types.ts'
import { AppError } from '../../shared/errors.ts'
import { newId } from '../../shared/ids.ts'
import { describeFailedFetch } from '../clone-failure.ts'
import { type GitCredential, type GitSettings, runGit } from '../run-git.ts'
import { SYNC_SCRIPT } from './sync-script.ts'

/** `refuse`: nothing changes when files conflict. `markers`: they are written with conflict marks. */
export type OnConflict = 'refuse' | 'markers'

/** The two sides of a merge: where upstream is, and the project's files with the commit they came from. */
export interface MergeAsk {
  readonly url: string
  readonly ref: string | undefined
  /** The commit that the project's files came from. */
  readonly base: string
  readonly onConflict: OnConflict
  /** The project's files, without `.git`. */
  readonly entries: AsyncIterable<WorkspaceEntry>
  readonly settings: GitSettings
  readonly credential: GitCredential | null
  /** In the form of `canonicalCredentialHost`. */
  readonly host: string
  onCredentialUsed(): Promise<void>
  /** Throws to end the work. */
  check(): void
}

/** What the merge came to. Paths are bytes as latin1. */
export type Merge =
  /** Nothing is new. */
  | { readonly kind: 'current'; readonly tip: string }
  /** Nothing was merged: these conflict, or (`inWay`) lie where a new file belongs and are known to no git. */
  | { readonly kind: 'conflicts'; readonly tip: string; readonly paths: readonly string[]; readonly inWay: boolean }
  | {
      readonly kind: 'merged'
      readonly tip: string
      readonly removed: readonly string[]
      readonly written: ReadonlySet<string>
      /** With marks in them, or left as they were where git makes none. */
      readonly conflicts: readonly string[]
      /** The commits that are new, for the project's own git; null when there are too many or they do not follow on. */
      readonly bundle: Uint8Array | null
      /** The whole of the merged files, read once. */
      files(): AsyncIterable<WorkspaceEntry>
    }

const LIMIT_MINUTES = 4
const OUT = '.git/keelson'
const MAX_LIST_BYTES = 4 * 1024 * 1024
const MAX_CHANGES = 20_000
const MAX_BUNDLE_BYTES = 64 * 1024 * 1024

/**
 * Merges in a sandbox that is made for it and thrown away behind `use`. Throws `project_source_failed` with a sentence (the
 * host, the token, a branch that was rewritten, too much that changed) and `sandbox_*`. Safe to repeat.
 */
export async function mergeUpstream<T>(
  staging: SandboxProvider,
  ask: MergeAsk,
  use: (merge: Merge) => Promise<T>,
): Promise<T> {
  const ref = await staging.ensure({ projectId: newId('prj'), generation: 1, kind: staging.kind })
  try {
    const place = await staging.open(ref)
    const control = { check: () => ask.check(), onProgress: () => undefined }
    await bringIn(place, ask.entries, [], control)
    const { state, output, failure, usedCredential } = await runGit(
      place,
      {
        name: 'sync',
        url: ask.url,
        services: ['git-upload-pack'],
        credential: ask.credential,
        script: SYNC_SCRIPT,
        words: [ask.url, ask.ref ?? '', ask.base, ask.onConflict],
        limitMinutes: LIMIT_MINUTES,
      },
      ask.settings,
      control,
    )
    if (usedCredential) await ask.onCredentialUsed()
    if (state.exitCode !== 0) {
      const { status, reason } = state
      const told = { status, reason, output, ref: ask.ref, failure, host: ask.host, limitMinutes: LIMIT_MINUTES }
      throw new AppError('project_source_failed', describeFailedFetch(told))
    }
    return await use(await readMerge(place, output))
  } finally {
    await staging.destroy(ref)
  }
}

async function readMerge(place: Sandbox, output: string): Promise<Merge> {
  const tip = /^keelson:tip ([0-9a-f]{40,64})$/m.exec(output)?.[1]
  if (tip === undefined) throw new AppError('project_source_failed', 'The repository gave nothing to merge.')
  const says = (word: string) => output.split('\n').includes(`keelson:${word}`)
  if (says('current')) return { kind: 'current', tip }
  const conflicts = await readPaths(place, 'conflicts')
  if (!says('merged')) return { kind: 'conflicts', tip, paths: conflicts, inWay: says('in-way') }
  const changes = await readPaths(place, 'changes')
  const pairs = Array.from({ length: changes.length / 2 }, (_, i) => ({
    kind: changes[2 * i] ?? '',
    path: changes[2 * i + 1] ?? '',
  }))
  if (pairs.length > MAX_CHANGES) {
    const message = `More than ${MAX_CHANGES.toLocaleString('en-US')} files changed upstream: make a new project of it.`
    throw new AppError('project_source_failed', message)
  }
  return {
    kind: 'merged',
    tip,
    removed: pairs.filter(({ kind }) => kind === 'D').map(({ path }) => path),
    written: new Set(pairs.filter(({ kind }) => kind !== 'D').map(({ path }) => path)),
    conflicts,
    bundle: await readBundle(place),
    files: () => entriesOf(place),
  }
}

async function readPaths(place: Sandbox, name: string): Promise<string[]> {
  const { data, sizeBytes } = await place.read(`${OUT}/${name}`, { maxBytes: MAX_LIST_BYTES })
  if (sizeBytes > data.length) throw new AppError('project_source_failed', 'Too many files changed upstream.')
  return Buffer.from(data)
    .toString('latin1')
    .split('\0')
    .filter((path) => path !== '')
}

async function readBundle(place: Sandbox): Promise<Uint8Array | null> {
  const stat = await place.stat(`${OUT}/tip.bundle`)
  if (stat === null || stat.sizeBytes > MAX_BUNDLE_BYTES) return null
  return (await place.read(`${OUT}/tip.bundle`, { maxBytes: MAX_BUNDLE_BYTES })).data
}

function entriesOf(place: Sandbox): AsyncIterable<WorkspaceEntry> {
  const entries = place.entries?.()
  if (entries === undefined)
    throw new AppError('sandbox_unavailable', 'This kind of sandbox cannot give its files out.')
  return entries
}
