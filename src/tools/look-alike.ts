/** Finds a file whose name only looks like the one asked for: composed or not, another space, a mark that nobody sees. */

import { posix } from 'node:path'
import type { Sandbox } from '../sandbox/types.ts'
import { lookOf, roughLookOf } from '../shared/text/name-look.ts'
import { showName } from './shown-name.ts'
import { readShown } from './shown-text.ts'
import { toWorkspacePath } from './workspace-path.ts'

/** In larger directories only a few ways to write the name are tried. */
const MAX_ENTRIES = 2_000
const MAX_NAMED = 5
/** By so much a name may be longer than one that is not UTF-8 and shown with U+FFFD. */
const MAX_BROKEN_CHARS = 4

/** Which file a path was taken to name. */
export interface FoundName {
  readonly path: string
  /** What the model is told when the file's name is not the one it gave, else null. */
  readonly note: string | null
  /** A sentence on names that are there and easily taken for the one asked for, when nothing was found; else null. */
  readonly similar: string | null
}

/**
 * The file that the model named: its path within the workspace as `asked` for, and as it was found. A sentence
 * for the model instead when the path leads out of the workspace.
 */
export async function findNamed(
  sandbox: Sandbox,
  raw: string,
): Promise<
  ({ readonly ok: true; readonly asked: string } & FoundName) | { readonly ok: false; readonly message: string }
> {
  const target = toWorkspacePath(raw, sandbox.root)
  return target.ok ? { ok: true, asked: target.path, ...(await findFile(sandbox, target.path)) } : target
}

/**
 * The path itself when something is there or nothing looks like it; else the path whose names look the same, as far as there
 * is exactly one; what does not exist below it stays as it was asked for. Names are taken in the form that `showName` gives,
 * too. Looks at the directories along the path alone, at 2,000 names of each. Safe to repeat. Throws what the sandbox throws.
 */
async function findFile(sandbox: Sandbox, given: string): Promise<FoundName> {
  if ((await sandbox.stat(given)) !== null) return { path: given, note: null, similar: null }
  const path = fromShown(given)
  if (path !== given && (await sandbox.stat(path)) !== null) return { path, note: null, similar: null }
  const names = path.split('/')
  let at = ''
  let similar: string | null = null
  for (const [index, name] of names.entries()) {
    const exact = posix.join(at, name)
    if ((await sandbox.stat(exact)) !== null) {
      at = exact
      continue
    }
    const { same, rough } = await entriesLike(sandbox, at, name)
    const [only] = same
    if (only === undefined || same.length > 1) {
      similar = similarTo(at, [...same, ...rough])
      at = posix.join(at, ...names.slice(index))
      break
    }
    at = posix.join(at, only)
  }
  return { path: at, note: at === path ? null : `the name is ${describe(at)}, not as it was given`, similar }
}

/** A form stands for the character that is shown so, and for no other: a slash or a letter is itself. */
function fromShown(given: string): string {
  const plain = readShown(given)
  return showName(plain) === given ? plain : given
}

interface Alike {
  /** Nobody could tell these from the name asked for. */
  readonly same: readonly string[]
  readonly rough: readonly string[]
}

async function entriesLike(sandbox: Sandbox, directory: string, name: string): Promise<Alike> {
  const nothing: Alike = { same: [], rough: [] }
  if (directory !== '' && (await sandbox.stat(directory))?.kind !== 'directory') return nothing
  const { names, truncated } = await sandbox.names(directory, { limit: MAX_ENTRIES })
  if (truncated) return { same: await formsOf(sandbox, directory, name), rough: [] }
  const [look, rough] = [lookOf(name), roughLookOf(name)]
  const same = names.filter((other) => !isBroken(other) && lookOf(other) === look)
  return {
    same,
    rough: names.filter((other) => {
      if (same.includes(other)) return false
      return isBroken(other) ? matchesBroken(name, other) : roughLookOf(other) === rough
    }),
  }
}

/** The usual ways to write a name, as far as they are there: what can be asked for in a directory of any size. */
async function formsOf(sandbox: Sandbox, directory: string, name: string): Promise<string[]> {
  const found: string[] = []
  const spaced = [' ', '\u00a0', '\u202f'].map((space) => name.replaceAll(/\p{Zs}/gu, space))
  const forms = new Set(spaced.flatMap((form) => [form.normalize('NFC'), form.normalize('NFD')]))
  for (const form of forms) if ((await sandbox.stat(posix.join(directory, form))) !== null) found.push(form)
  return found
}

/** The name is not UTF-8: it is shown with U+FFFD, and nothing opens it. */
function isBroken(name: string): boolean {
  return name.includes('\ufffd')
}

function matchesBroken(name: string, broken: string): boolean {
  const [head, tail] = [broken.slice(0, broken.indexOf('\ufffd')), broken.slice(broken.lastIndexOf('\ufffd') + 1)]
  if (name === broken) return true
  const isAlike =
    name.startsWith(head) && name.endsWith(tail) && Math.abs(name.length - broken.length) <= MAX_BROKEN_CHARS
  return isAlike && head.length + tail.length > 0
}

function similarTo(directory: string, names: readonly string[]): string | null {
  if (names.length === 0) return null
  const shown = names.slice(0, MAX_NAMED).map((name) => describe(posix.join(directory, name)))
  const hint = names.some(isBroken)
    ? ' A name with U+FFFD is not UTF-8: use bash for it, with ? in the place of that character.'
    : ''
  return `A name much like it is there: ${shown.join(', ')}${names.length > MAX_NAMED ? ', …' : ''}.${hint}`
}

/** A name as it is, with what cannot be seen in it shown, and decomposed letters told. */
function describe(path: string): string {
  const isDecomposed = path !== path.normalize('NFC')
  return `${showName(path)}${isDecomposed ? ' (with combining accents, decomposed)' : ''}`
}
