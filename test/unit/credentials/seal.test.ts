import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { canonicalCredentialHost } from '../../../src/credentials/credential-host.ts'
import { openSealingKey } from '../../../src/credentials/key.ts'
import { openSecret, sealSecret } from '../../../src/credentials/seal.ts'

const key = openSealingKey('/nowhere', 'a'.repeat(32))

test('what is sealed opens with the same key for the same purpose alone, and never looks the same twice', () => {
  const sealed = sealSecret(key, 'token', 'crd_1 git a.example')
  const damaged = Uint8Array.from(sealed, (byte, i) => (i === sealed.length - 1 ? byte ^ 1 : byte))
  expect({
    same: openSecret(key, sealed, 'crd_1 git a.example'),
    otherKey: openSecret(openSealingKey('/nowhere', 'b'.repeat(32)), sealed, 'crd_1 git a.example'),
    otherPurpose: openSecret(key, sealed, 'crd_1 git b.example'),
    damaged: openSecret(key, damaged, 'crd_1 git a.example'),
    cut: openSecret(key, sealed.subarray(0, 20), 'crd_1 git a.example'),
    isClear: Buffer.from(sealed).includes('token'),
    isFresh: !Buffer.from(sealed).equals(sealSecret(key, 'token', 'crd_1 git a.example')),
  }).toEqual({
    same: 'token',
    otherKey: null,
    otherPurpose: null,
    damaged: null,
    cut: null,
    isClear: false,
    isFresh: true,
  })
})

test('the key of a home is made once, for its owner alone, and an empty one is refused', () => {
  const home = mkdtempSync(join(tmpdir(), 'keelson-key-'))
  const first = openSealingKey(home, undefined)
  const file = join(home, 'credentials.key')
  const again = openSealingKey(home, undefined)
  const mode = statSync(file).mode & 0o777
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, '\n')
  const empty = () => openSealingKey(home, undefined)
  expect({ isSame: Buffer.from(first).equals(again), mode, length: text.trim().length }).toEqual({
    isSame: true,
    mode: 0o600,
    length: 43,
  })
  expect(empty).toThrow('holds no key')
  rmSync(home, { recursive: true })
})

test.each([
  ['Git.Example.com', 'git.example.com'],
  ['git.example.com:443', 'git.example.com'],
  ['git.example.com:8443', 'git.example.com:8443'],
  ['localhost:3000', 'localhost:3000'],
  ['127.0.0.1:3000', '127.0.0.1:3000'],
  ['[::1]:3000', '[::1]:3000'],
  ['https://git.example.com', null],
  ['git.example.com/group', null],
  ['user@git.example.com', null],
  ['git.example.com:0', null],
  ['git.example.com:65536', null],
  ['git.example.com:', null],
  ['*.example.com', null],
  ['git example.com', null],
  ['git.example.com\0', null],
  ['2130706433', null],
  ['', null],
])('the host %j is kept as %j', (text, host) => {
  expect(canonicalCredentialHost(text)).toBe(host)
})
