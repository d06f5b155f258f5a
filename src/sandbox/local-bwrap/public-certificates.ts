/**
 * What of the host's certificates commands see: a copy that holds certificates and nothing else. Servers keep their private
 * keys in the same directories, under names that nobody can list, and as an ordinary user's commands we could read its own.
 */

import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** Where Debian, Fedora and Arch with their kin keep them. */
const PLACES = ['/etc/ssl', '/etc/pki', '/etc/ca-certificates'] as const

const MAX_DEPTH = 6
const MAX_ENTRIES = 5_000
const MAX_FILE_BYTES = 8 * 1024 * 1024
const MAX_TOTAL_BYTES = 64 * 1024 * 1024
const KEPT_COPIES = 3
const OTHERS_READ = 0o004

/** Each begins and ends a certificate or a list of withdrawn ones; whatever stands between them is no secret. */
const PUBLIC_BLOCK =
  /-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE|X509 CRL)-----\r?\n[A-Za-z0-9+/=\r\n]+-----END \1-----\r?\n?/g

interface PublicFile {
  /** Absolute, as on the host. */
  readonly at: string
  readonly data: Buffer
}

/** A directory of the copy and the path of the host in whose place commands see it. */
export interface CertificateMount {
  readonly source: string
  readonly target: string
}

/**
 * Copies this host's public certificates below `dir`, once for each state they are in. Reads only what others may read,
 * follows links, and takes out of a file that also holds a key the certificates alone. Safe to repeat.
 */
export function copyCertificates(dir: string): CertificateMount[] {
  const found = PLACES.map((place) => ({ place, files: collect(place) })).filter(({ files }) => files.length > 0)
  const hash = createHash('sha256')
  for (const { files } of found) for (const { at, data } of files) hash.update(`${at}\0${data.length}\0`).update(data)
  const copy = path.join(dir, 'certificates', hash.digest('hex').slice(0, 24))
  if (!existsSync(copy)) {
    const fresh = `${copy}.${randomBytes(6).toString('hex')}`
    for (const { at, data } of found.flatMap(({ files }) => files)) {
      mkdirSync(path.dirname(path.join(fresh, at)), { recursive: true, mode: 0o755 })
      writeFileSync(path.join(fresh, at), data, { mode: 0o644 })
    }
    mkdirSync(fresh, { recursive: true, mode: 0o755 })
    putInPlace(fresh, copy)
    forgetOldCopies(path.dirname(copy), copy)
  }
  return found.map(({ place }) => ({ source: path.join(copy, place), target: place }))
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

/** A runner that still uses an older one was started before the certificates changed; the newest few stay for it. */
function forgetOldCopies(parent: string, copy: string): void {
  const others = readdirSync(parent)
    .map((name) => path.join(parent, name))
    .filter((other) => other !== copy)
    .map((other) => ({ other, mtimeMs: statSync(other, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => b.mtimeMs - a.mtimeMs)
  for (const { other } of others.slice(KEPT_COPIES - 1)) rmSync(other, { recursive: true, force: true })
}

function collect(place: string): PublicFile[] {
  const files: PublicFile[] = []
  const left = { entries: MAX_ENTRIES, bytes: MAX_TOTAL_BYTES }
  const walk = (at: string, depth: number): void => {
    for (const name of namesIn(at)) {
      if (left.entries-- <= 0) return
      const child = path.join(at, name)
      const stat = ifReadable(() => statSync(child))
      if (stat?.isDirectory()) {
        if (depth < MAX_DEPTH && name !== 'private') walk(child, depth + 1)
      } else if (stat?.isFile() && stat.size <= MAX_FILE_BYTES && (stat.mode & OTHERS_READ) !== 0) {
        const data = ifReadable(() => publicPart(child, readFileSync(child)))
        if (data === null || data === undefined || data.length > left.bytes) continue
        left.bytes -= data.length
        files.push({ at: child, data })
      }
    }
  }
  walk(place, 1)
  return files
}

/** The part of a file that everybody may see, null when there is none. */
function publicPart(file: string, data: Buffer): Buffer | null {
  const text = data.toString('latin1')
  const blocks = text.match(PUBLIC_BLOCK)
  if (blocks !== null) return Buffer.from(blocks.map((block) => `${block.trimEnd()}\n`).join(''), 'latin1')
  const name = path.basename(file)
  // OpenSSL's settings, and the list of authorities that Java has.
  const isKnown = name === 'openssl.cnf' || (name === 'cacerts' && path.basename(path.dirname(file)) === 'java')
  return isKnown && !text.includes('PRIVATE KEY') ? data : null
}

function namesIn(dir: string): string[] {
  return ifReadable(() => readdirSync(dir)) ?? []
}

/** What others may not read, or what is gone again, is not for commands. */
function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined
    throw error
  }
}
