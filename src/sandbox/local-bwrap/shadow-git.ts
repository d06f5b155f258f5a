/**
 * Differences between two checkpoints, by git. Its git directory is the shadow one: bare, so no work tree and no attributes
 * file of the project is ever looked at; without system and user config, hooks, external diff or text conversion. The only
 * input a project controls is the content and the names of objects. That is why it runs on the host and not in the sandbox.
 */

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { CONTEXT_LINES, type FileChange, type FileChangeKind, type TreeDiff } from '../types.ts'
import type { ByteName } from './descriptors.ts'
import { writeWhole } from './job-files.ts'
import type { LineCount } from './list-changes.ts'

const GIT_TIMEOUT_MS = 60_000
const MAX_LIST_BYTES = 64 * 1024 * 1024

/**
 * Makes the shadow directory; its attributes outrank every `.gitattributes`, and `!diff` leaves it to git's own look at the
 * content whether a file is binary. Safe to repeat.
 */
export function initShadow(gitDir: string): void {
  for (const part of ['objects', 'refs', 'info']) mkdirSync(path.join(gitDir, part), { recursive: true, mode: 0o700 })
  const write = (name: string, text: string) => {
    if (!existsSync(path.join(gitDir, name))) writeWhole(path.join(gitDir, name), text)
  }
  write('info/attributes', '* -text -filter -ident !diff -merge\n')
  write(
    'config',
    '[core]\n\trepositoryformatversion = 0\n\tbare = true\n\thooksPath = /dev/null\n\tfsmonitor = false\n',
  )
  // Git takes a directory for a repository once it has this file, so it comes last.
  write('HEAD', 'ref: refs/heads/none\n')
}

interface GitOutput {
  readonly data: Buffer
  readonly truncated: boolean
}

/** Runs git, keeps the first `maxBytes` of what it prints and ends it there. */
function git(gitDir: string, args: readonly string[], maxBytes: number): Promise<GitOutput> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', ['--no-pager', ...args], {
      cwd: gitDir,
      env: {
        PATH: '/usr/local/bin:/usr/bin:/bin',
        GIT_DIR: gitDir,
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_ATTR_NOSYSTEM: '1',
        GIT_OPTIONAL_LOCKS: '0',
        HOME: '/nonexistent',
        LC_ALL: 'C',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: GIT_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    const chunks: Buffer[] = []
    let bytes = 0
    let complaint = ''
    child.stdout.on('data', (chunk: Buffer) => {
      if (bytes < maxBytes) chunks.push(chunk)
      bytes += chunk.length
      if (bytes > maxBytes) child.kill('SIGKILL')
    })
    child.stderr.on('data', (chunk: Buffer) => {
      if (complaint.length < 2_000) complaint += chunk.toString('utf8')
    })
    child.on('error', (error) => {
      reject(new AppError('sandbox_unavailable', 'git cannot be started on this host', { cause: error }))
    })
    child.on('close', (code) => {
      const truncated = bytes > maxBytes
      if (code === 0 || truncated) resolve({ data: Buffer.concat(chunks).subarray(0, maxBytes), truncated })
      else reject(new AppError('sandbox_bad_request', `the checkpoints cannot be compared: ${complaint.trim()}`))
    })
  })
}

const DIFF = ['diff', '--no-ext-diff', '--no-textconv', '--no-renames', '--no-color']
const KINDS: Record<string, FileChangeKind> = { A: 'create', D: 'delete', M: 'modify', T: 'modify' }

/** Lines that git counts in the files that differ between two trees, by byte name. Throws `sandbox_bad_request`. */
export async function countLinesByGit(gitDir: string, from: string, to: string): Promise<Map<ByteName, LineCount>> {
  const { data, truncated } = await git(gitDir, [...DIFF, '--numstat', '-z', from, to, '--'], MAX_LIST_BYTES)
  if (truncated) throw new AppError('sandbox_bad_request', 'the checkpoints differ in too many files')
  const counts = new Map<ByteName, LineCount>()
  for (const field of data.toString('latin1').split('\0')) {
    const [added, removed, ...rest] = field.split('\t')
    if (added === undefined || removed === undefined) continue
    const binary = added === '-'
    counts.set(rest.join('\t'), { added: binary ? 0 : Number(added), removed: binary ? 0 : Number(removed), binary })
  }
  return counts
}

/** Reads `git diff --raw --numstat -z`: first `:modes hashes status NUL path NUL`, then `added TAB removed TAB path NUL`. */
export function parseChanges(text: string): FileChange[] {
  const kinds = new Map<string, FileChangeKind>()
  const changes: FileChange[] = []
  const fields = text.split('\0')
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i] as string
    if (field.startsWith(':')) {
      const letter = field.slice(field.lastIndexOf(' ') + 1).charAt(0)
      kinds.set(fields[++i] ?? '', KINDS[letter] ?? 'modify')
      continue
    }
    const [added, removed, ...rest] = field.split('\t')
    if (added === undefined || removed === undefined) continue
    const file = rest.join('\t')
    const binary = added === '-'
    const kind = kinds.get(file) ?? 'modify'
    changes.push({ path: file, kind, added: binary ? 0 : Number(added), removed: binary ? 0 : Number(removed), binary })
  }
  return changes
}

/**
 * Unified diff of two trees, whole lines up to `maxBytes`; `paths` are taken literally, a directory means all in it.
 * `contextLines`: unchanged lines around each change.
 */
export async function unifiedDiff(
  gitDir: string,
  from: string,
  to: string,
  options: { maxBytes: number; paths?: readonly string[]; contextLines?: number },
): Promise<TreeDiff> {
  if (from === to) return { patch: '', truncated: false }
  const context = `--unified=${options.contextLines ?? CONTEXT_LINES}`
  const args = ['--literal-pathspecs', ...DIFF, context, from, to, '--', ...(options.paths ?? [])]
  const { data, truncated } = await git(gitDir, args, options.maxBytes)
  if (!truncated) return { patch: data.toString('utf8'), truncated }
  return { patch: data.subarray(0, data.lastIndexOf(10) + 1).toString('utf8'), truncated }
}
