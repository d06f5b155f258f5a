/** What of an installation and of the host's secrets commands see, wherever these lie. Needs root, to mount things. */

import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { aHost } from './support.ts'

const host = aHost()
const report = await host.provider().probe()
const isRoot = process.getuid?.() === 0
const outside = realpathSync(mkdtempSync(path.join(tmpdir(), 'keelson-private-')))
afterAll(async () => {
  await host.close()
  rmSync(outside, { recursive: true, force: true })
})

interface Answer {
  readonly probe: {
    readonly ok: boolean
    readonly detail: string
    readonly protections: { name: string; holds: boolean }[]
  }
  readonly output: string
}

/** Mounts things in a mount namespace of its own and there asks a sandbox below `home`; without a script only the probe. */
async function askMounted(mounting: string, home: string, script: string): Promise<Answer> {
  const code = `
    import { writeFileSync, mkdirSync } from 'node:fs'
    import { createSandboxProvider } from './src/sandbox/create.ts'
    const [home, script] = process.argv.slice(-2)
    mkdirSync(home, { recursive: true })
    writeFileSync(home + '/state.json', 'a token of the instance')
    const logger = { info() {}, warn() {} }
    const provider = createSandboxProvider({ kind: 'local-bwrap', dir: home + '/sandboxes', privateDirs: [home], logger, runnerIdleMs: 500 })
    const probe = await provider.probe()
    if (script === '') {
      process.stdout.write(JSON.stringify({ probe, output: '' }))
      process.exit(0)
    }
    const other = await provider.open(await provider.ensure({ projectId: 'prj_other', generation: 1 }))
    await other.write([{ path: 'note.txt', data: 'a note of another project' }])
    const sandbox = await provider.open(await provider.ensure({ projectId: 'prj_one', generation: 1 }))
    await sandbox.start({ execId: 'ask', taskId: 'tsk', argv: { sh: script }, timeoutMs: 30000 })
    await sandbox.poll('ask', { cursor: 1e9, maxBytes: 0, waitMs: 30000 })
    const { head } = await sandbox.output('ask', { headBytes: 100000, tailBytes: 0 })
    process.stdout.write(JSON.stringify({ probe, output: Buffer.from(head).toString() }))
    await provider.close()`
  const shell = `set -e\n${mounting}\nexec "$@"`
  const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', code, '--', home, script]
  const { stdout } = await promisify(execFile)('unshare', ['--mount', '/bin/sh', '-c', shell, 'sh', ...node], {
    cwd: path.join(import.meta.dirname, '../../..'),
    maxBuffer: 10_000_000,
  })
  return JSON.parse(stdout) as Answer
}

const LOOK = `
for at in /usr/src /usr/share/doc; do grep -rls "token of the instance\\|note of another" $at; find $at -name "*.sock" -o -name note.txt; done
python3 - <<'END'
import os, socket
for at, _, names in os.walk('/usr/src'):
    for name in names:
        if name.endswith('.sock'):
            s = socket.socket(socket.AF_UNIX)
            try: s.connect(os.path.join(at, name)); print('connected', name)
            except OSError: pass
END
test -d /usr/share/doc && test -x /usr/bin/env && echo looked`

describe.skipIf(!report.ok || !isRoot)(`what commands must not see (${report.detail})`, { timeout: 60_000 }, () => {
  test('nothing of a home below /usr, by its own path, through a link to it, or by a bind mount of it', async () => {
    const elsewhere = path.join(outside, 'home')
    const link = path.join(outside, 'link')
    const tmpfs = 'mkdir -p /usr/src; mount -t tmpfs none /usr/src; mkdir -p /usr/src/home /usr/src/alias /usr/src/part'
    const answers = [
      await askMounted(tmpfs, '/usr/src/home', LOOK),
      await askMounted(`${tmpfs}; ln -s /usr/src/home ${link}`, link, LOOK),
      await askMounted(
        `${tmpfs}; mkdir -p ${elsewhere}/sandboxes; mount --bind ${elsewhere} /usr/src/alias
         mount --bind ${elsewhere}/sandboxes /usr/src/part`,
        elsewhere,
        LOOK,
      ),
    ]
    expect(answers.map(({ probe, output }) => [probe.ok, output])).toEqual(answers.map(() => [true, 'looked\n']))
  })

  test('a home that is itself what commands need is refused, and named', async () => {
    const { ok, detail } = await host.provider({ privateDirs: ['/usr'] }).probe()
    expect([ok, detail]).toEqual([false, expect.stringMatching(/^KEELSON_HOME \(\/usr\) .* move it to /)])
  })

  test('certificates are there, and no key in their files, beside them, behind links or in odd places', async () => {
    const ssl = path.join(outside, 'ssl')
    mkdirSync(path.join(outside, 'keys'), { recursive: true })
    writeFileSync(path.join(outside, 'keys/far.key'), '-----BEGIN PRIVATE KEY-----\nfar\n-----END PRIVATE KEY-----\n')
    const key = '-----BEGIN RSA PRIVATE KEY-----\nMIIC\n-----END RSA PRIVATE KEY-----'
    const mounting = `cp -rL /etc/ssl ${ssl}; mkdir -p ${ssl}/odd/deeper ${ssl}/private
      printf '%s\\n' '${key}' > ${ssl}/odd/deeper/a.txt; printf '%s\\n' '${key}' > ${ssl}/private/b.pem
      pem=$(find ${ssl}/certs -type f -name '*.pem' | head -n 1); cat $pem > ${ssl}/certs/both.pem
      printf '%s\\n' '${key}' >> ${ssl}/certs/both.pem; ln -s ${outside}/keys/far.key ${ssl}/certs/linked.pem
      chmod -R a+rX ${ssl}; mount --bind ${ssl} /etc/ssl`
    const { probe, output } = await askMounted(
      mounting,
      path.join(outside, 'keys-home'),
      `grep -rs "PRIVATE KEY" /etc | head; ls /etc/ssl; grep -c "BEGIN CERTIFICATE" /etc/ssl/certs/both.pem
       head -c 60 /etc/ssl/private/* 2>/dev/null; openssl verify /etc/ssl/certs/both.pem 2>&1 | tail -n 1`,
    )
    const holds = probe.protections.find(({ name }) => name === 'private-keys')?.holds
    const lines = output.trim().split('\n')
    expect([
      holds,
      output.includes('PRIVATE KEY'),
      lines.includes('certs'),
      lines.includes('odd'),
      lines.includes('1'),
    ]).toEqual([true, false, true, false, true])
  })

  test('a bubblewrap that is too old, or may make no namespace, is told with what to do about it, once', async () => {
    const details: string[] = []
    for (const said of ['bwrap: Unknown option --disable-userns', 'bwrap: No permissions to create new namespace']) {
      const program = path.join(outside, 'bwrap')
      writeFileSync(program, `#!/bin/sh\necho '${said}' >&2\nexit 1\n`, { mode: 0o755 })
      const { probe } = await askMounted(`mount --bind '${program}' /usr/bin/bwrap`, path.join(outside, 'old'), '')
      details.push(`${probe.ok} ${probe.detail}`)
    }
    expect(details).toEqual([
      expect.stringMatching(
        /^false .*\(bwrap: Unknown option --disable-userns\)\. This bubblewrap is too old: version 0\.8/,
      ),
      expect.stringMatching(
        /^false .*\(bwrap: No permissions to create new namespace\)\. Linux must allow user namespaces/,
      ),
    ])
  })

  test('the probe names every protection', () => {
    expect(report.protections.map(({ name, holds }) => [name, holds])).toEqual(
      [
        'user',
        'namespaces',
        'network',
        'system-calls',
        'kernel-settings',
        'private-keys',
        'descriptors',
        'own-files',
        'memory',
        'processes',
      ].map((name) => [name, true]),
    )
  })
})
