/**
 * The certificate authority of one installation, which only its own sandboxes trust: it lets the read door see whether a
 * registry is read or written to. Its key never leaves the host's side.
 */

import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'
import * as x509 from '@peculiar/x509'
import { DAY_MS } from '../shared/durations.ts'
import { writeOnce } from '../shared/write-once.ts'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const CA_DAYS = 3_650
const HOST_DAYS = 30
const MAX_HOSTS = 500

/** The gateway's own certificate authority, by which it ends TLS where requests are to be read one by one. */
export interface Authority {
  /** In PEM. */
  readonly certificate: string
  /** A certificate for one host name, with its key; made once and kept while it is young. */
  contextFor(host: string): Promise<SecureContext>
}

/** Reads the authority from `dir/ca.pem` (key and certificate, mode 0600), or makes it. Safe to call from several processes at once. */
export async function openAuthority(dir: string): Promise<Authority> {
  x509.cryptoProvider.set(webcrypto)
  const file = path.join(dir, 'ca.pem')
  const pem = existsSync(file) ? readFileSync(file, 'utf8') : await makeAuthority(file)
  const certificate = /-----BEGIN CERTIFICATE-----[^]+-----END CERTIFICATE-----\n?/.exec(pem)?.[0] ?? ''
  const issuer = new x509.X509Certificate(certificate)
  const key = createPrivateKey(pem).export({ format: 'der', type: 'pkcs8' })
  const signingKey = await webcrypto.subtle.importKey('pkcs8', key, ALGORITHM, false, ['sign'])
  const made = new Map<string, { until: number; context: Promise<SecureContext> }>()

  const make = async (host: string): Promise<SecureContext> => {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
    const leaf = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: `CN=${host.slice(0, 64)}`,
      issuer: issuer.subject,
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + HOST_DAYS * DAY_MS),
      signingAlgorithm: ALGORITHM,
      publicKey: keys.publicKey,
      signingKey: signingKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: host }]),
      ],
    })
    return createSecureContext({
      cert: `${leaf.toString('pem')}\n${certificate}`,
      key: await privatePem(keys.privateKey),
    })
  }

  return {
    certificate,
    async contextFor(host) {
      const known = made.get(host)
      if (known !== undefined && known.until > Date.now()) return await known.context
      // The first in is the first out: registries are few.
      if (made.size >= MAX_HOSTS) made.delete(made.keys().next().value ?? '')
      const context = make(host)
      made.set(host, { until: Date.now() + (HOST_DAYS / 2) * DAY_MS, context })
      context.catch(() => made.delete(host))
      return await context
    },
  }
}

async function makeAuthority(file: string): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: 'CN=Keelson sandbox registries',
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + CA_DAYS * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys: keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  const text = `${await privatePem(keys.privateKey)}\n${certificate.toString('pem')}\n`
  return writeOnce(file, () => text)
}

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key))
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    .export({ format: 'pem', type: 'pkcs8' })
    .toString()
}

/** A positive number of 16 bytes (RFC 5280, section 4.1.2.2). */
function serial(): string {
  const bytes = randomBytes(16)
  bytes.writeUInt8((bytes.readUInt8(0) & 0x7f) | 0x01, 0)
  return bytes.toString('hex')
}
