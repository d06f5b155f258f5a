import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { GENERATED_ETC } from '../../../src/sandbox/local-bwrap/argv.ts'
import { copyEtc } from '../../../src/sandbox/local-bwrap/etc-copy.ts'

const dir = mkdtempSync(path.join(tmpdir(), 'keelson-etc-'))
chmodSync(dir, 0o755)
afterEach(() => rmSync(dir, { recursive: true, force: true }))

test('a copy holds what is made up, what is named of the host and a place for each mount, and is made once for each state', () => {
  const mounts = [
    { kind: 'bind' as const, source: '/usr', target: '/etc/alternatives' },
    { kind: 'bind' as const, source: '/usr', target: '/usr' },
  ]
  const copy = copyEtc(dir, { etc: ['hostname', 'none', 'shadow'], mounts })
  const again = copyEtc(dir, { etc: ['hostname', 'none', 'shadow'], mounts })
  const smaller = copyEtc(dir, { etc: [], mounts: [] })
  const ofHost = readdirSync(copy).filter((name) => !['ssl', 'pki', 'ca-certificates'].includes(name))
  expect({
    ofHost: ofHost.sort(),
    hostname: readFileSync(path.join(copy, 'hostname'), 'utf8'),
    passwd: readFileSync(path.join(copy, 'passwd'), 'utf8'),
    mountPoint: readdirSync(path.join(copy, 'alternatives')),
    mode: statSync(copy).mode & 0o777,
    isOne: again === copy,
    isOther: smaller !== copy,
  }).toEqual({
    ofHost: ['alternatives', 'hostname', ...Object.keys(GENERATED_ETC)].sort(),
    hostname: readFileSync('/etc/hostname', 'utf8'),
    passwd: GENERATED_ETC['passwd'],
    mountPoint: [],
    mode: 0o755,
    isOne: true,
    isOther: true,
  })
})
