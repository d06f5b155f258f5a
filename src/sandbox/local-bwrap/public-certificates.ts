/**
 * What of the host's certificates commands see: a copy that holds certificates and nothing else. Servers keep their private
 * keys in the same directories, under names that nobody can list, and as an ordinary user's commands we could read its own.
 */

import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'

/** Where Debian, Fedora and Arch with their kin keep them. */
const PLACES = ['/etc/ssl', '/etc/pki', '/etc/ca-certificates'] as const

const MAX_DEPTH = 6
const MAX_ENTRIES = 5_000
const MAX_FILE_BYTES = 8 * 1024 * 1024
const MAX_TOTAL_BYTES = 64 * 1024 * 1024
const OTHERS_READ = 0o004

/** Each begins and ends a certificate or a list of withdrawn ones; whatever stands between them is no secret. */
const PUBLIC_BLOCK =
  /-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE|X509 CRL)-----\r?\n[A-Za-z0-9+/=\r\n]+-----END \1-----\r?\n?/g

/** A file that commands see a copy of. */
export interface PublicFile {
  /** Absolute, as on the host. */
  readonly at: string
  readonly data: Buffer
}

/**
 * This host's public certificates. Reads only what others may read, follows links, and takes out of a file that also holds a
 * key the certificates alone. At most 5,000 names and 64 MiB a place. Never throws; what cannot be read is left out.
 */
export function publicCertificates(): PublicFile[] {
  return PLACES.flatMap(collect)
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

/**
 * What `read` gives; undefined where the file system refuses it: what others may not read, or what is gone again, is not for
 * commands. Other failures are thrown.
 */
export function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined
    throw error
  }
}
