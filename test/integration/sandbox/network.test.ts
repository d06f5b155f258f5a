import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { gatewayPaths, makeGatewayDir, netKey } from '../../../src/egress/gateway-files.ts'
import { discoverRegistries } from '../../../src/egress/registries/discover.ts'
import { keepRegistries } from '../../../src/egress/registries/keep-registries.ts'
import { createSandboxProvider } from '../../../src/sandbox/create.ts'
import type { Sandbox, SandboxProvider } from '../../../src/sandbox/types.ts'

const dir = mkdtempSync(path.join(tmpdir(), 'knet-'))
const silent = { info: () => undefined, warn: () => undefined }
const registry = new URL(execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim())
const asked: string[] = []
let provider: SandboxProvider
let sandbox: Sandbox
let mirror: Server
let execs = 0

beforeAll(async () => {
  mirror = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization ?? '-'}`)
    response.end('from the mirror\n')
  })
  await new Promise<void>((done) => mirror.listen(0, '127.0.0.1', done))
  const { port } = mirror.address() as AddressInfo
  const files = gatewayPaths(dir)
  makeGatewayDir(files.dir)
  const env = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '' }
  const named = [`=http://planted:secret@localhost:${port}/`, registry.href]
  await discoverRegistries({ file: files.registries, env, named })
  provider = createSandboxProvider({
    kind: 'local-bwrap',
    dir,
    logger: silent,
    trustedFiles: ['/etc/ssl/certs/ca-certificates.crt'],
  })
  sandbox = await provider.open(await provider.ensure({ projectId: 'prj_net', generation: 0 }))
})

afterAll(async () => {
  mirror.close()
  await provider.close()
  rmSync(dir, { recursive: true, force: true })
})

async function run(
  sh: string,
  options: { in?: Sandbox; network?: boolean } = {},
): Promise<{ code: number | null; text: string }> {
  const where = options.in ?? sandbox
  const execId = `run${++execs}`
  await where.start({ execId, taskId: 'tsk', argv: { sh }, timeoutMs: 100_000, network: options.network ?? true })
  for (let cursor = 0, text = ''; ; ) {
    const poll = await where.poll(execId, { cursor, maxBytes: 1_000_000, waitMs: 2_000 })
    for (const chunk of poll.chunks) text += Buffer.from(chunk.data).toString()
    if (poll.state.status !== 'running' && poll.chunks.length === 0) return { code: poll.state.exitCode, text }
    cursor = poll.cursor
  }
}

test('before anybody said what a sandbox may reach, it reaches nothing', async () => {
  const { text } = await run(
    'env | grep -c -i proxy; ls /run/keelson 2>&1; curl -sS -m 5 https://example.com 2>&1; tail -n +3 /proc/net/dev | grep -v " lo:" | wc -l',
  )
  expect(text).toMatch(/^0\nls: cannot access .*\ncurl: \(6\) Could not resolve host: example.com\n0\n$/)
})

test('a dependency is installed from the registry that this host’s npm uses, and nothing can be published there', async () => {
  await sandbox.network({ policy: 'registries', hosts: [] })
  const install = await run(
    `echo '{"name":"t","version":"1.0.0"}' > package.json && npm install is-number@7.0.0 2>&1 && node -e "console.log(require('is-number')('5'))"`,
  )
  expect(install).toEqual({ code: 0, text: expect.stringMatching(/true\n$/) })
  const publish = await run(`npm publish --//${registry.host}/:_authToken=planted 2>&1`)
  expect(publish).toEqual({ code: 1, text: expect.stringMatching(/E405|405 Method Not Allowed/) })
  expect(publish.text).toContain(
    `keelson: network: ${registry.hostname} is a registry: it can be read, not written to.\n`,
  )
})

test('what tools are told is no warning in their output, and older and newer ones keep downloads in the cache', async () => {
  const { text } = await run(
    `echo '{"scripts":{"test":"echo fine"}}' > package.json; npm test --silent 2>&1; npm config get cache
     cat ~/.config/pnpm/rc; echo $pnpm_config_store_dir`,
  )
  const cache = '/home/agent/.cache'
  expect(text).toBe(`fine\n${cache}/npm\nstore-dir=${cache}/pnpm-store\n${cache}/pnpm-store\n`)
})

test('the operator’s credentials reach the registry and never the sandbox', async () => {
  const { port } = mirror.address() as AddressInfo
  asked.length = 0
  const { text } = await run(
    `curl -sS --noproxy '' http://localhost:${port}/simple/; env; cat /run/keelson/certificates.pem | grep -c PRIVATE; ls /run/keelson /run/keelson/net`,
  )
  expect(text).toContain('from the mirror')
  expect(asked).toEqual([`GET /simple/ Basic ${Buffer.from('planted:secret').toString('base64')}`])
  expect(text).not.toMatch(/planted|c2VjcmV0|cGxhbnRlZ/)
})

test('everything else is refused with a sentence in the command’s output and a denial that is told', async () => {
  const since = Date.now()
  const tries = [
    'curl -sS -m 5 https://unlisted.example',
    'curl -sS -m 5 https://1.1.1.1',
    'curl -sS -m 5 http://169.254.169.254/latest/meta-data',
    'curl -sS -m 5 https://localhost:1',
    `printf 'CONNECT ${registry.hostname}\\0.evil.example:443 HTTP/1.1\\r\\n\\r\\n' | socat - UNIX-CONNECT:/run/keelson/net/egress.sock | head -1`,
    `curl -sS -m 5 -X POST --data x https://${registry.host}/x --cacert /run/keelson/certificates.pem`,
    `node -e "fetch('https://unlisted.example').catch((error) => console.log(error.message))"`,
    'getent hosts example.com; echo none',
  ]
  const { text } = await run(`exec 2>&1; ${tries.join('; echo; ')}`)
  expect(text.match(/^keelson: network: .*$/gm)).toEqual([
    `keelson: network: unlisted.example is not allowed by this project's network policy "registries"; a person can allow it.`,
    'keelson: network: 1.1.1.1:443 is not a host name with a port; addresses cannot be asked for.',
    'keelson: network: http://169.254.169.254/latest/meta-data is not a host name with a port; addresses cannot be asked for.',
    `keelson: network: ${registry.hostname} is a registry: it can be read, not written to.`,
  ])
  expect(text).toContain('400 Bad Request')
  expect(text).toContain('fetch failed')
  const denied = await sandbox.denials(since)
  expect(denied.map(({ host }) => host)).toContain('unlisted.example')
})

test('a host that a person allows is reached at once, and no longer when it is taken back', async () => {
  const probe = 'curl -sS -m 8 -o /dev/null -w "%{http_connect}\\n" https://nowhere.invalid 2>/dev/null; true'
  await sandbox.network({ policy: 'hosts', hosts: ['nowhere.invalid'] })
  expect((await run(probe)).text).toContain('nowhere.invalid does not exist or is not a public host.')
  await sandbox.network({ policy: 'registries', hosts: [] })
  expect((await run(probe)).text).toContain('nowhere.invalid is not allowed')
})

test('a sandbox cannot reach the way out of another one, nor the gateway’s control', async () => {
  const other = await provider.open(await provider.ensure({ projectId: 'prj_other', generation: 0 }))
  await other.network({ policy: 'open', hosts: [] })
  const { text } = await run(
    `find / -name '*.sock' -not -path '/proc/*' 2>/dev/null; find / -name '${netKey('prj_other/g0')}*' 2>/dev/null; echo end`,
  )
  expect(text).toBe('/run/keelson/net/egress.sock\nend\n')
})

test('the gateway’s death ends no command, and the next one finds its way out again', async () => {
  const files = gatewayPaths(dir)
  const pids = execFileSync('pgrep', ['-f', `egress/gateway.*${dir}`], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map(Number)
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  await sandbox.network({ policy: 'registries', hosts: [] })
  const { code } = await run(
    `curl -sS -m 8 -o /dev/null https://${registry.host}/is-number --cacert /run/keelson/certificates.pem`,
  )
  expect([code, readFileSync(files.registries, 'utf8').includes(registry.hostname)]).toEqual([0, true])
})

test('the first command of an instance that knows no registry yet waits until its tools were asked, and no other does', async () => {
  const fresh = mkdtempSync(path.join(tmpdir(), 'knew-'))
  const env = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '' }
  const { port } = mirror.address() as AddressInfo
  const keeper = keepRegistries({
    sandboxesDir: fresh,
    env,
    named: [`=http://localhost:${port}/`],
    onFailure: (error) => expect.unreachable(String(error)),
  })
  let open = (): void => undefined
  const gate = new Promise<void>((done) => {
    open = done
  })
  const waiting: string[] = []
  const isolated = createSandboxProvider({
    kind: 'local-bwrap',
    dir: fresh,
    logger: silent,
    async registriesReady(signal) {
      waiting.push('waits')
      await Promise.race([
        gate,
        new Promise((_done, fail) => signal?.addEventListener('abort', () => fail(signal.reason))),
      ])
      await keeper.ready(signal)
    },
  })
  try {
    const first = await isolated.open(await isolated.ensure({ projectId: 'prj_first', generation: 0 }))
    await first.network({ policy: 'none', hosts: [] })
    const unconnected = await run('echo ran', { in: first })
    await first.network({ policy: 'registries', hosts: [] })
    const local = await run('echo ran', { in: first, network: false })
    const before = [unconnected.text, local.text, ...waiting]
    const cancelled = new AbortController()
    const spec = { execId: 'never', taskId: 'tsk', argv: { sh: 'true' }, timeoutMs: 10_000, network: true }
    const given = first.start(spec, cancelled.signal)
    cancelled.abort(new Error('a person stopped it'))
    await expect(given).rejects.toThrow('a person stopped it')
    const asks = run(`curl -sS --noproxy '' http://localhost:${port}/first`, { in: first })
    open()
    const states = async () => (await first.execs('tsk')).map(({ execId }) => execId).includes('never')
    expect({ before, answer: (await asks).text, cancelledRan: await states(), waiting }).toEqual({
      before: ['ran\n', 'ran\n'],
      answer: 'from the mirror\n',
      cancelledRan: false,
      waiting: ['waits', 'waits'],
    })
  } finally {
    await isolated.close()
    rmSync(fresh, { recursive: true, force: true })
  }
})
