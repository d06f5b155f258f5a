/** The project's rules with what they import. */

import { posix } from 'node:path'
import type { Sandbox } from '../sandbox/types.ts'
import { MAX_PROSE_BYTES } from './input-files.ts'
import { readInput } from './read-input.ts'
import { isSecretPath } from './secret-paths.ts'

const MAX_IMPORT_DEPTH = 5
/** Files that are asked for, found or not: a word with an `@` is often no import. */
const MAX_TRIES = 40
const MAX_IMPORTED_CHARS = 128 * 1024

/** One file of rules; `path` is relative to the workspace. */
export interface RulesFile {
  readonly path: string
  readonly text: string
  /** The file that names it with `@`; absent for one that was asked for by itself. */
  readonly importedBy?: string
}

/**
 * The rules files that were given, each followed by the files that it imports with `@path`, as deep as five steps, each
 * file once, 40 questions and 128 KB in all. A path is taken from the directory of the file that names it and must stay in
 * the workspace; code spans and code blocks import nothing. Safe to repeat.
 */
export async function withImports(sandbox: Sandbox, given: readonly RulesFile[]): Promise<RulesFile[]> {
  const known = new Set(given.map((file) => file.path))
  const found: RulesFile[] = []
  const left = { tries: MAX_TRIES, chars: MAX_IMPORTED_CHARS }
  const take = async (file: RulesFile, depth: number): Promise<void> => {
    found.push(file)
    if (depth >= MAX_IMPORT_DEPTH) return
    for (const path of importsOf(file)) {
      if (known.has(path) || left.tries < 1 || left.chars < 1) continue
      left.tries--
      const input = await readInput(sandbox, path, Math.min(MAX_PROSE_BYTES, left.chars))
      if (input === null || input.text.includes('\0')) continue
      known.add(path)
      left.chars -= input.text.length
      await take({ path, text: input.text, importedBy: file.path }, depth + 1)
    }
  }
  for (const file of given) await take(file, 0)
  return found
}

const IMPORT = /(?:^|[\s(])@([^\s`"'()<>]+)/g

/** Paths that a rules file names with `@`, relative to the workspace, in their order. Pure, linear. */
export function importsOf({ path, text }: RulesFile): string[] {
  const paths: string[] = []
  for (const line of proseLines(text)) {
    for (const [, named = ''] of line.matchAll(IMPORT)) {
      const plain = named.replace(/[.,;:!?]+$/, '')
      if (plain === '' || plain.startsWith('/') || plain.startsWith('~')) continue
      const target = posix.normalize(posix.join(posix.dirname(path), plain))
      if (target.startsWith('..') || target === '.' || isSecretPath(target)) continue
      paths.push(target)
    }
  }
  return paths
}

/** Lines outside of code blocks, code spans taken out. */
function* proseLines(text: string): Generator<string> {
  let fence: string | null = null
  for (const line of text.split('\n')) {
    const mark = /^\s{0,3}(`{3,}|~{3,})/.exec(line)?.[1]
    if (fence !== null) {
      if (mark !== undefined && mark.startsWith(fence)) fence = null
    } else if (mark !== undefined) fence = mark
    else yield line.replace(/`[^`]*`/g, '')
  }
}
