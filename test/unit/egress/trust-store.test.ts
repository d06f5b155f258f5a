import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { expect, test } from 'vitest'
import { trustStoreOf } from '../../../src/egress/trust-store.ts'

const KEYTOOL = ['/usr/bin/keytool', '/usr/local/bin/keytool'].find((file) => existsSync(file))

test('a certificate that stands there twice or cannot be read makes no entry', () => {
  const [one = '', two = ''] = rootCertificates
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'
  const expected = trustStoreOf([one, two].join('\n'))
  expect([trustStoreOf([one, broken, two, one].join('\n')).equals(expected), expected.length > 1_000]).toEqual([
    true,
    true,
  ])
})

test('a JVM takes every certificate for trusted', ({ skip }) => {
  if (KEYTOOL === undefined) return skip('this machine cannot: it has no JVM')
  const dir = mkdtempSync(join(tmpdir(), 'keelson-trust-'))
  try {
    const file = join(dir, 'certificates.p12')
    writeFileSync(file, trustStoreOf(rootCertificates.join('\n')))
    const args = ['-list', '-keystore', file, '-storepass', 'changeit']
    const listed = execFileSync(KEYTOOL, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    expect(listed.match(/trustedCertEntry/g)?.length).toBe(rootCertificates.length)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
