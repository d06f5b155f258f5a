/**
 * What checkpoints do not hold, noticed all the same: its fingerprint is kept at a task's beginning, beside the objects, and
 * compared with that of the end. What changed is counted, and what is there now is named.
 */

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import type { LeftOut, LeftOutKind } from '../../shared/left-out.ts'
import { type ByteName, toShown } from './descriptors.ts'
import { fingerprint, isCachePrint, type PlacePrint, PRINT_CHARACTERS } from './fingerprint.ts'
import { isMissing, writeWhole } from './job-files.ts'
import type { LeftOutPlace } from './snapshot.ts'

const MAX_EXAMPLES = 5
/** Places that are told; with more, the others are told as one. */
const MAX_TOLD = 100

/** Where the fingerprints of a sandbox are kept and what they are of. */
export interface MarkPlace {
  readonly workspace: string
  readonly gitDir: string
}

interface Mark {
  readonly kind: LeftOutKind
  readonly files: ReadonlySet<string>
}

function markDirectory(gitDir: string): string {
  return path.join(gitDir, 'left-out')
}

function markFile(gitDir: string, key: string): string {
  return path.join(markDirectory(gitDir), createHash('sha1').update(key).digest('hex'))
}

/** Keeps the fingerprint of now under a key; one that is kept already stays. Safe to repeat. */
export async function keepMark({ workspace, gitDir }: MarkPlace, key: string, places: readonly LeftOutPlace[]) {
  const file = markFile(gitDir, key)
  if (readMark(file) !== null) return
  const lines = [...(await fingerprint(workspace, places))].map(([where, { kind, files }]) =>
    JSON.stringify({ where, kind, files: [...files.keys()].join('') }),
  )
  mkdirSync(markDirectory(gitDir), { recursive: true, mode: 0o700 })
  writeWhole(file, lines.join('\n'))
}

/** What moved since the mark was kept, in order of paths; empty when there is no such mark. */
export async function changedSince(
  { workspace, gitDir }: MarkPlace,
  key: string,
  places: readonly LeftOutPlace[],
): Promise<LeftOut[]> {
  const before = readMark(markFile(gitDir, key))
  if (before === null) return []
  const after = await fingerprint(workspace, places)
  const moved: LeftOut[] = []
  for (const where of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    const change = compare(where, before.get(where), after.get(where))
    if (change !== null) moved.push(change)
  }
  if (moved.length <= MAX_TOLD) return moved
  const rest = moved.slice(MAX_TOLD)
  const files = rest.reduce((sum, each) => sum + each.files, 0)
  const replaced = rest.reduce((sum, each) => sum + each.replaced, 0)
  return [
    ...moved.slice(0, MAX_TOLD),
    { path: `${rest.length} more places`, kind: rest[0]?.kind ?? 'unseen', files, replaced, examples: [] },
  ]
}

/** Removes marks that were kept longer ago than this. Safe to repeat. */
export function pruneMarks(gitDir: string, olderThanMs: number): void {
  const dir = markDirectory(gitDir)
  for (const name of existsSync(dir) ? readdirSync(dir) : []) {
    const file = path.join(dir, name)
    if (Date.now() - statSync(file).mtimeMs > olderThanMs) rmSync(file, { force: true })
  }
}

function readMark(file: string): Map<ByteName, Mark> | null {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
  const marks = new Map<ByteName, Mark>()
  for (const line of text === '' ? [] : text.split('\n')) {
    // Our own file, written whole.
    const { where, kind, files } = JSON.parse(line) as { where: ByteName; kind: LeftOutKind; files: string }
    const prints = new Set<string>()
    for (let at = 0; at < files.length; at += PRINT_CHARACTERS) prints.add(files.slice(at, at + PRINT_CHARACTERS))
    marks.set(where, { kind, files: prints })
  }
  return marks
}

/** Null when nothing moved in this place. */
function compare(where: ByteName, before: Mark | undefined, after: PlacePrint | undefined): LeftOut | null {
  const added = [...(after?.files ?? [])].filter(([print]) => !before?.files.has(print))
  const gone = [...(before?.files ?? [])].filter((print) => !after?.files.has(print))
  if (added.length === 0 && gone.length === 0) return null
  const isOnlyCache = [...added.map(([print]) => print), ...gone].every(isCachePrint)
  const examples = added
    .toSorted(([a], [b]) => Number(isCachePrint(a)) - Number(isCachePrint(b)))
    .slice(0, MAX_EXAMPLES)
    .map(([, file]) => toShown(file))
  return {
    path: toShown(where),
    kind: isOnlyCache ? 'cache' : (after?.kind ?? before?.kind ?? 'unseen'),
    files: Math.max(added.length, gone.length),
    replaced: gone.length,
    examples,
  }
}
