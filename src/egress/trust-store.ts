/**
 * The certificates that commands trust, as a Java key store: the JVM reads no PEM. PKCS #12 (RFC 7292), neither encrypted
 * nor sealed, since all of it is public; every JVM from 8 on takes it, with any password.
 */

import { X509Certificate } from 'node:crypto'

const DATA = '1.2.840.113549.1.7.1'
const CERTIFICATE_BAG = '1.2.840.113549.1.12.10.1.3'
const X509_CERTIFICATE = '1.2.840.113549.1.9.22.1'
const FRIENDLY_NAME = '1.2.840.113549.1.9.20'
/** Java's own mark: a certificate without it is no trusted one. */
const TRUSTED_KEY_USAGE = '2.16.840.1.113894.746875.1.1'
const ANY_USAGE = '2.5.29.37.0'

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** All certificates of a text in PEM, each once, as a key store; those that cannot be read are left out. Pure. */
export function trustStoreOf(pem: string): Buffer {
  const bags: Buffer[] = []
  for (const text of new Set(pem.match(PEM) ?? [])) {
    const certificate = readCertificate(text)
    if (certificate !== null) bags.push(bagOf(certificate, `keelson-${bags.length + 1}`))
  }
  const contents = sequence(oid(DATA), tagged(octets(sequence(...bags))))
  return sequence(element(0x02, Buffer.from([3])), sequence(oid(DATA), tagged(octets(sequence(contents)))))
}

function readCertificate(text: string): Buffer | null {
  try {
    return new X509Certificate(text).raw
  } catch {
    // An old or broken entry of the host's list: other tools pass over it as well.
    return null
  }
}

function bagOf(certificate: Buffer, name: string): Buffer {
  const wideName = Buffer.from(name, 'utf16le').swap16()
  return sequence(
    oid(CERTIFICATE_BAG),
    tagged(sequence(oid(X509_CERTIFICATE), tagged(octets(certificate)))),
    set(
      sequence(oid(FRIENDLY_NAME), set(element(0x1e, wideName))),
      sequence(oid(TRUSTED_KEY_USAGE), set(oid(ANY_USAGE))),
    ),
  )
}

/** One element of DER: tag, length, content. */
function element(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content)
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body])
  const digits: number[] = []
  for (let rest = body.length; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256)
  return Buffer.concat([Buffer.from([tag, 0x80 | digits.length, ...digits]), body])
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return element(0x30, ...parts)
}

/** DER orders the members of a set by their bytes. */
function set(...parts: readonly Buffer[]): Buffer {
  return element(0x31, ...parts.toSorted(Buffer.compare))
}

function octets(content: Buffer): Buffer {
  return element(0x04, content)
}

function tagged(content: Buffer): Buffer {
  return element(0xa0, content)
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return element(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

function base128(value: number): number[] {
  const digits = [value % 128]
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) digits.unshift((rest % 128) | 0x80)
  return digits
}
