/**
 * What commands see as /etc: one copy that holds what is made up, the public certificates and what of the host's own files its
 * toolchains need. A mount for each of these would cost every command a third of its start: bubblewrap reads the table of all
 * mounts again after each.
 */

import { createHash, randomBytes } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { GENERATED_ETC } from './argv.ts'
import type { HostView } from './host-view.ts'
import { ifReadable, publicCertificates } from './public-certificates.ts'

const MAX_DEPTH = 6
const MAX_ENTRIES = 5_000
const MAX_TOTAL_BYTES = 32 * 1024 * 1024
const KEPT_COPIES = 3
const OTHERS_READ = 0o004
const OTHERS_PASS = 0o005
/** The name of the copies' directory since it held certificates alone. */
const COPIES = 'certificates'

/** One place of the copy, below /etc: a file, a link, or a directory, which may be where something is mounted. */
interface Copied {
  readonly at: string
  readonly content: { readonly file: Buffer } | { readonly link: string } | 'directory'
}

/**
 * Copies what commands see as /etc below `dir`, once for each state it is in, and returns the copy's path. Of the host's files it
 * holds what others may read, links as links. Throws what the file system throws of `dir`. Safe to repeat, in any process.
 */
export function copyEtc(dir: string, host: Pick<HostView, 'etc' | 'mounts'>): string {
  const copied: Copied[] = [
    ...mountPoints(host),
    ...collect(host.etc),
    ...publicCertificates().map(({ at, data }) => ({ at: path.relative('/etc', at), content: { file: data } })),
    ...Object.entries(GENERATED_ETC).map(([at, text]) => ({ at, content: { file: Buffer.from(text) } })),
  ]
  const copy = path.join(dir, COPIES, hashOf(copied))
  if (!existsSync(copy)) {
    const fresh = `${copy}.${randomBytes(6).toString('hex')}`
    mkdirSync(fresh, { recursive: true, mode: 0o755 })
    for (const { at, content } of copied) put(path.join(fresh, at), content)
    putInPlace(fresh, copy)
    forgetOldCopies(path.dirname(copy), copy)
  }
  return copy
}

/** What is seen as it is at any moment needs a place to be mounted on. */
function mountPoints({ mounts }: Pick<HostView, 'mounts'>): Copied[] {
  return mounts
    .filter(({ kind, target }) => kind === 'bind' && target.startsWith('/etc/'))
    .map(({ source, target }) => ({
      at: path.relative('/etc', target),
      content: statSync(source).isDirectory() ? 'directory' : { file: Buffer.alloc(0) },
    }))
}

function hashOf(copied: readonly Copied[]): string {
  const hash = createHash('sha256')
  for (const { at, content } of copied) {
    const [kind, data] =
      content === 'directory' ? ['directory', ''] : 'link' in content ? ['link', content.link] : ['file', content.file]
    hash.update(`${at}\0${kind}\0${data.length}\0`).update(data)
  }
  return hash.digest('hex').slice(0, 24)
}

function put(at: string, content: Copied['content']): void {
  mkdirSync(content === 'directory' ? at : path.dirname(at), { recursive: true, mode: 0o755 })
  if (content === 'directory') return
  if ('link' in content) symlinkSync(content.link, at)
  else writeFileSync(at, content.file, { mode: 0o644 })
}

/** The parts of the host's /etc that are named, a part that is a link itself by what it names. */
function collect(parts: readonly string[]): Copied[] {
  const copied: Copied[] = []
  const left = { entries: MAX_ENTRIES, bytes: MAX_TOTAL_BYTES }
  const take = (at: string, stat: Stats | undefined, depth: number): void => {
    if (stat === undefined || left.entries-- <= 0) return
    const from = path.join('/etc', at)
    if (stat.isSymbolicLink()) {
      const link = ifReadable(() => readlinkSync(from))
      if (link !== undefined) copied.push({ at, content: { link } })
    } else if (stat.isDirectory() && depth < MAX_DEPTH && (stat.mode & OTHERS_PASS) === OTHERS_PASS) {
      copied.push({ at, content: 'directory' })
      for (const name of ifReadable(() => readdirSync(from)) ?? []) {
        const inner = path.join(at, name)
        take(
          inner,
          ifReadable(() => lstatSync(path.join('/etc', inner))),
          depth + 1,
        )
      }
    } else if (stat.isFile() && stat.size <= left.bytes && (stat.mode & OTHERS_READ) !== 0) {
      const file = ifReadable(() => readFileSync(from))
      if (file === undefined || file.length > left.bytes) return
      left.bytes -= file.length
      copied.push({ at, content: { file } })
    }
  }
  for (const part of parts)
    take(
      part,
      ifReadable(() => statSync(path.join('/etc', part))),
      1,
    )
  return copied
}

function putInPlace(fresh: string, copy: string): void {
  try {
    renameSync(fresh, copy)
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true })
    // Another process was first, with the same content.
    if (!existsSync(copy)) throw error
  }
}

/** A runner that still uses an older one was started before the host's files changed; the newest few stay for it. */
function forgetOldCopies(parent: string, copy: string): void {
  const others = readdirSync(parent)
    .map((name) => path.join(parent, name))
    .filter((other) => other !== copy)
    .map((other) => ({ other, mtimeMs: statSync(other, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => b.mtimeMs - a.mtimeMs)
  for (const { other } of others.slice(KEPT_COPIES - 1)) rmSync(other, { recursive: true, force: true })
}
