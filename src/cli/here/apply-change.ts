import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { git } from './list-files.ts'

/** What became of a change in a directory. */
export type Applied =
  | { readonly status: 'applied' }
  /** With conflict marks in these. */
  | { readonly status: 'conflicts'; readonly paths: readonly string[] }
  /** Nothing was touched; the patch lies there. */
  | { readonly status: 'refused'; readonly patchFile: string; readonly why: string }

const TIMEOUT_MS = 60_000
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024
const APPLY = ['apply', '--whitespace=nowarn']

/**
 * Applies a mailbox of one change to a directory: as it is where the files are still those that were sent, otherwise by git's
 * three-way merge. Nothing but the files of the change is touched.
 */
export async function applyChange(dir: string, mailbox: Uint8Array): Promise<Applied> {
  const place = await mkdtemp(path.join(tmpdir(), 'keelson-change-'))
  const patchFile = path.join(place, 'change.patch')
  let isKept = false
  try {
    const mail = path.join(place, 'mail')
    await writeFile(mail, mailbox)
    const opened = await run(place, ['mailinfo', '--quoted-cr=nowarn', path.join(place, 'message'), patchFile], mailbox)
    if (opened.code !== 0) throw new Error(`git could not read the change: ${opened.complaint}`)
    const { top, args } = await placeOf(dir)
    const straight = await run(top ?? dir, [...args, '--check', patchFile])
    if (straight.code === 0) {
      const done = await run(top ?? dir, [...args, patchFile])
      if (done.code === 0) return { status: 'applied' }
    }
    const merged = top === null ? straight : await run(top, [...args, '--3way', patchFile])
    if (merged.code === 0) return { status: 'applied' }
    const paths = conflictsIn(merged.complaint)
    if (paths.length > 0) return { status: 'conflicts', paths }
    isKept = true
    return { status: 'refused', patchFile, why: merged.complaint.trim().split('\n').at(-1) ?? '' }
  } finally {
    if (!isKept) await rm(place, { recursive: true, force: true })
  }
}

/** In a part of a repository git takes paths to begin at its top, and passes over others without a word. */
async function placeOf(dir: string): Promise<{ top: string | null; args: readonly string[] }> {
  const found = await git(dir, ['rev-parse', '--show-toplevel', '--show-prefix'])
  const [top = '', prefix = ''] = found?.toString().split('\n') ?? []
  if (found === null || top === '') return { top: null, args: APPLY }
  return { top, args: prefix === '' ? APPLY : [...APPLY, `--directory=${prefix}`] }
}

/** The files that `git apply --3way` says it left marks in. */
function conflictsIn(text: string): string[] {
  return text.split('\n').flatMap((line) => /^U (.+)$/.exec(line)?.[1] ?? [])
}

function run(cwd: string, args: readonly string[], input?: Uint8Array): Promise<{ code: number; complaint: string }> {
  return new Promise((resolve) => {
    const options = { cwd, timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES }
    const child = execFile('git', [...args], options, (error, _stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, complaint: stderr })
    })
    child.stdin?.on('error', () => undefined) // it had read enough
    child.stdin?.end(input)
  })
}
