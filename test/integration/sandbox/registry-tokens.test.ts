/** Stored registry tokens: added outside on reads, for their host alone, and seen by nobody inside. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Registry } from '../../../src/egress/decision.ts'
import { gatewayPaths, makeGatewayDir } from '../../../src/egress/gateway-files.ts'
import { discoverRegistries } from '../../../src/egress/registries/discover.ts'
import { createSandboxProvider } from '../../../src/sandbox/create.ts'
import type { Sandbox, SandboxProvider } from '../../../src/sandbox/types.ts'
import { aGitHost, type GitHostFixture } from '../../support/git-host.ts'
import { waitFor } from '../../support/wait-for.ts'

const SECRET = 'registry-canary-77'
const BASIC = Buffer.from(`bot:${SECRET}`).toString('base64')
const dir = mkdtempSync(path.join(tmpdir(), 'ktok-'))
let host: GitHostFixture
let provider: SandboxProvider
let sandbox: Sandbox
let tokens: readonly Registry[]
const used: string[] = []

beforeAll(async () => {
  // Any host behind TLS that asks for a password will do.
  host = await aGitHost(`bot:${SECRET}`)
  host.repository('pkg', 'echo x > x; git add x; git commit -qm x')
  const { port } = new URL(host.origin)
  const credential = { pathPrefix: '/', authorization: `Basic ${BASIC}`, id: 'crd_1' }
  tokens = [{ host: 'localhost', port: Number(port), scheme: 'https', addresses: 'public', credentials: [credential] }]
  const files = gatewayPaths(dir)
  makeGatewayDir(files.dir)
  await discoverRegistries({ file: files.registries, env: {}, named: [`=${host.origin}/`] })
  provider = createSandboxProvider({
    kind: 'local-bwrap',
    dir,
    logger: { info: () => undefined, warn: () => undefined },
    trustedFiles: [host.caFile],
    registryTokens: { read: () => Promise.resolve(tokens), onUsed: (id) => void used.push(id) },
  })
  sandbox = await provider.open(await provider.ensure({ projectId: 'prj_tok', generation: 0 }))
})
afterAll(async () => {
  await provider?.close()
  await host?.close()
  rmSync(dir, { recursive: true, force: true })
})

let execs = 0
async function run(sh: string): Promise<string> {
  const execId = `run${++execs}`
  await sandbox.start({ execId, taskId: 'tsk', argv: { sh }, timeoutMs: 60_000, network: true })
  for (let cursor = 0, text = ''; ; ) {
    const poll = await sandbox.poll(execId, { cursor, maxBytes: 1_000_000, waitMs: 2_000 })
    for (const chunk of poll.chunks) text += Buffer.from(chunk.data).toString()
    if (poll.state.status !== 'running' && poll.chunks.length === 0) return text
    cursor = poll.cursor
  }
}
const get = () =>
  `curl -sS -m 8 --noproxy '' --cacert /run/keelson/certificates.pem -w ' %{http_code}' ${host.origin}/pkg.git/HEAD`
const open = () => sandbox.network({ policy: 'registries', hosts: [] })

test('a token is added on reads, in a new gateway as well, is noted as used, and ends when it is deleted', async () => {
  await open()
  const first = await run(`${get()}; env; grep -rlE '${SECRET}|${BASIC}' /run/keelson | wc -l`)
  const write = await run(`${get()} -X PUT --data x`)
  await waitFor(() => used.length > 0, 'its use is told')
  const pids = execFileSync('pgrep', ['-f', `egress/gateway.*${dir}`], { encoding: 'utf8' })
    .trim()
    .split('\n')
  const commandLines = pids.map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'latin1')).join('\n')
  const files = readdirSync(gatewayPaths(dir).dir)
    .map((name) => path.join(gatewayPaths(dir).dir, name))
    .filter((file) => statSync(file).isFile())
    .filter((file) => readFileSync(file, 'latin1').includes(SECRET) || readFileSync(file, 'latin1').includes(BASIC))
  for (const pid of pids) process.kill(Number(pid), 'SIGKILL')
  await open()
  const again = await run(get())
  tokens = []
  await open()
  const deleted = await run(get())
  expect({
    first: first.startsWith('ref: refs/heads/main\n 200'),
    seen: first.includes(SECRET) || first.includes(BASIC),
    held: first.trim().endsWith('\n0'),
    write: write.includes('405'),
    again: again.includes(' 200'),
    deleted: deleted.trim().slice(-3),
    used: new Set(used),
    onDisk: files,
    inArguments: commandLines.includes(SECRET) || commandLines.includes(BASIC),
  }).toEqual({
    first: true,
    seen: false,
    held: true,
    write: true,
    again: true,
    deleted: '401',
    used: new Set(['crd_1']),
    onDisk: [],
    inArguments: false,
  })
})
