/** Finds a file whose name only looks like the one asked for: composed or not, with one kind of space or another. */

import { posix } from 'node:path'
import type { Sandbox } from '../sandbox/types.ts'
import { showCharacters } from './shown-text.ts'

/** In larger directories names are not compared. */
const MAX_ENTRIES = 2_000

export interface FoundName {
  readonly path: string
  /** What the model is told when the file's name is not the one it gave, else null. */
  readonly note: string | null
}

/**
 * The path itself when something is there or nothing looks like it; else the path whose names differ only in how their
 * characters are written, as far as there is exactly one; what does not exist below it stays as it was asked for. Looks at
 * the directories along the path alone. Safe to repeat.
 */
export async function findFile(sandbox: Sandbox, path: string): Promise<FoundName> {
  const asAsked = { path, note: null }
  if (!mayDiffer(path) || (await sandbox.stat(path)) !== null) return asAsked
  let at = ''
  const names = path.split('/')
  for (const [index, name] of names.entries()) {
    const exact = posix.join(at, name)
    if ((await sandbox.stat(exact)) !== null) {
      at = exact
      continue
    }
    const alike = await entriesLike(sandbox, at, name)
    if (alike.length > 1)
      return { path, note: `several names look like ${describe(name)}: ${alike.map(describe).join(', ')}` }
    if (alike[0] === undefined) {
      at = posix.join(at, ...names.slice(index))
      break
    }
    at = posix.join(at, alike[0])
  }
  return at === path ? asAsked : { path: at, note: `the name is ${describe(at)}, not as it was given` }
}

async function entriesLike(sandbox: Sandbox, directory: string, name: string): Promise<string[]> {
  if (directory !== '' && (await sandbox.stat(directory))?.kind !== 'directory') return []
  const { entries, truncated } = await sandbox.list(directory, { depth: 1, limit: MAX_ENTRIES })
  if (truncated) return []
  const wanted = fold(name)
  return entries.map((entry) => entry.name).filter((other) => fold(other) === wanted)
}

/** Every kind of space, and every letter that can be written in two ways, is one. */
function fold(name: string): string {
  return name
    .normalize('NFC')
    .replaceAll(/[\p{Zs}]/gu, ' ')
    .replaceAll(/[\u200b\u2060\ufeff\u00ad]/g, '')
}

/** A name of plain letters without a space has no second form. */
function mayDiffer(path: string): boolean {
  return /[^!-~]/.test(path)
}

/** A name as it is, with what cannot be seen in it shown, and decomposed letters told. */
function describe(path: string): string {
  const isDecomposed = path !== path.normalize('NFC')
  return `${showCharacters(path)}${isDecomposed ? ' (with combining accents, decomposed)' : ''}`
}
