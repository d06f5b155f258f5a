import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { CACHE_NAMES, DEPENDENCY_NAMES, kindsOfFiles } from '../../shared/places.ts'

const MAX_LIST_BYTES = 64 * 1024 * 1024
const TIMEOUT_MS = 60_000
/** Where no repository says what to leave out: what an install or the next run brings again. */
const LEFT_OUT = [...DEPENDENCY_NAMES, ...CACHE_NAMES, '.git'].map((name) => `${name}/`)

/** Runs git in a directory as its owner would; null when it fails. */
export function git(cwd: string, args: readonly string[]): Promise<Buffer | null> {
  return new Promise((resolve) => {
    const options = { cwd, encoding: 'buffer', maxBuffer: MAX_LIST_BYTES, timeout: TIMEOUT_MS } as const
    execFile('git', [...args], options, (error, stdout) => resolve(error === null ? stdout : null))
  })
}

/**
 * What git tracks in a directory and what it would not ignore, as paths in bytes relative to it. Outside a repository, and in
 * a directory that one ignores, everything but what `.gitignore` files there and usual names of dependencies say. null where
 * git is missing.
 */
export async function listFiles(dir: string): Promise<readonly Buffer[] | null> {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate']
  const own = await git(dir, args)
  if (own !== null && own.length > 0) return split(own)
  const place = await mkdtemp(path.join(tmpdir(), 'keelson-here-'))
  try {
    if ((await git(place, ['init', '-q', '.'])) === null) return null
    await writeFile(path.join(place, '.git/info/exclude'), `${LEFT_OUT.join('\n')}\n`)
    const list = ['ls-files', '-z', '--others', '--exclude-standard']
    const all = await git(dir, [`--git-dir=${path.join(place, '.git')}`, `--work-tree=${dir}`, ...list])
    return all === null ? null : withoutInstalled(split(all))
  } finally {
    await rm(place, { recursive: true, force: true })
  }
}

/** Without what lies in a directory of a plain name that a manifest beside it explains: a virtual environment, Rust's output. */
function withoutInstalled(files: readonly Buffer[]): Buffer[] {
  const paths = files.map((file) => file.toString('latin1'))
  const kindOf = kindsOfFiles(paths)
  return files.filter((_, index) => {
    const path = paths[index] ?? ''
    const kind = kindOf(path)
    return kind !== 'dependencies' && !(kind === 'output' && /(^|\/)target\//.test(path))
  })
}

function split(text: Buffer): Buffer[] {
  const parts: Buffer[] = []
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf(0, from)
    parts.push(text.subarray(from, end))
    from = end + 1
  }
  // Another repository inside is named as a directory.
  return parts.filter((part) => part.length > 0 && part.at(-1) !== SLASH)
}

const SLASH = '/'.charCodeAt(0)
