import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'
import { CACHE_NAMES, DEPENDENCY_NAMES, kindsOfFiles } from '../../shared/places.ts'
import { UsageError } from '../usage-error.ts'

const MAX_LIST_BYTES = 64 * 1024 * 1024
const TIMEOUT_MS = 60_000
/** Where no repository says what to leave out: what an install or the next run brings again. */
const LEFT_OUT = [...DEPENDENCY_NAMES, ...CACHE_NAMES, '.git'].map((name) => `${name}/`)

/** With which `env` ends where there is no such program. */
const NO_PROGRAM = 127

type Asked =
  | { readonly kind: 'answer'; readonly bytes: Buffer }
  | { readonly kind: 'missing' | 'too_many' }
  | { readonly kind: 'failed'; readonly why: string }

function ask(cwd: string, args: readonly string[]): Promise<Asked> {
  return new Promise((resolve) => {
    const options = { cwd, encoding: 'buffer', maxBuffer: MAX_LIST_BYTES, timeout: TIMEOUT_MS } as const
    // By env, since what it says about a failure is read.
    execFile('env', ['LC_ALL=C', 'git', ...args], options, (error, stdout, stderr) => {
      if (error === null) resolve({ kind: 'answer', bytes: stdout })
      else if (error.code === NO_PROGRAM) resolve({ kind: 'missing' })
      else if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER' || error.killed) resolve({ kind: 'too_many' })
      else resolve({ kind: 'failed', why: stderr.toString().trim().split('\n')[0] ?? '' })
    })
  })
}

/** Runs git in a directory as its owner would; null when it fails. */
export async function git(cwd: string, args: readonly string[]): Promise<Buffer | null> {
  const asked = await ask(cwd, args)
  return asked.kind === 'answer' ? asked.bytes : null
}

/**
 * What git tracks in a directory and what it would not ignore, as paths in bytes relative to it. Outside a repository, and in
 * a directory that one ignores, everything but what `.gitignore` files there and usual names of dependencies say. Throws
 * {@link UsageError} where git is missing, where it cannot say what belongs to the directory (it then tells why), for more than
 * can be listed, and for a person's `home` or what is above it, unless that is a repository.
 */
export async function listFiles(dir: string, home: string = homedir()): Promise<readonly Buffer[]> {
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate']
  const own = await ask(dir, list)
  // What is no repository is one question, a repository that git does not read another: its ignored files are nobody's to send.
  if (own.kind === 'failed' && !own.why.includes('not a git repository')) {
    throw new UsageError(`git cannot say what belongs to ${dir}: ${own.why}`)
  }
  if (own.kind !== 'failed') {
    const files = split(bytesOf(own, dir))
    if (files.length > 0) return files
  }
  if (`${home}/`.startsWith(dir.endsWith('/') ? dir : `${dir}/`)) {
    throw new UsageError(
      `${dir} holds a whole home directory and is no repository: start in a project's own directory.`,
    )
  }
  const place = await mkdtemp(path.join(tmpdir(), 'keelson-here-'))
  try {
    bytesOf(await ask(place, ['init', '-q', '.']), dir)
    await writeFile(path.join(place, '.git/info/exclude'), `${LEFT_OUT.join('\n')}\n`)
    const others = ['ls-files', '-z', '--others', '--exclude-standard']
    const all = await ask(dir, [`--git-dir=${path.join(place, '.git')}`, `--work-tree=${dir}`, ...others])
    return withoutInstalled(split(bytesOf(all, dir)))
  } finally {
    await rm(place, { recursive: true, force: true })
  }
}

/** What git answered, or the sentence for why it did not. */
function bytesOf(asked: Asked, dir: string): Buffer {
  switch (asked.kind) {
    case 'answer':
      return asked.bytes
    case 'missing':
      throw new UsageError('--here needs git, which says what belongs to the directory: install it.')
    case 'too_many':
      throw new UsageError(`${dir} has more files than can be listed within a minute: start in a smaller directory.`)
    case 'failed':
      throw new UsageError(`git cannot say what belongs to ${dir}: ${asked.why}`)
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
