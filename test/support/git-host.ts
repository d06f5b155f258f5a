/** A git host on loopback: real `git http-backend` behind TLS, with a certificate authority of the test's own. */

import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface GitHostFixture {
  /** `https://localhost:PORT`. */
  readonly origin: string
  readonly caFile: string
  /** TLS connections that were made. */
  connections(): number
  /** The Authorization header of each request, in order. */
  authorizations(): readonly (string | undefined)[]
  /** Answers what begins with `from` by a redirect to the rest of it behind `to`, a path or a whole address. */
  redirect(from: string, to: string): void
  /** How the host differs from a usual one, by the name of a repository. */
  readonly quirks: {
    /** Shows what there is to anybody and asks who it is only when it is fetched or pushed. */
    readonly asksLate: Set<string>
    /** Speaks the protocol of before version 2, and gives out the tips of branches alone. */
    readonly isOld: Set<string>
    /** Is read by whoever asks with the token, and written to by nobody. */
    readonly isReadOnly: Set<string>
    /** Answers with a status that HTTP does not have. */
    readonly isRude: Set<string>
    /** Called once, between the list of what there is and its transfer. */
    readonly beforeTransfer: Map<string, () => void>
  }
  /** Makes `name.git` out of shell commands that run in an empty repository on branch main. */
  repository(name: string, script: string): void
  /** Runs shell commands in the repository that `name` was made of, and publishes its branches; `force` rewrites them. */
  change(name: string, script: string, options?: { readonly force?: boolean }): void
  /** Makes `to.git` as a copy of `from.git` with all that it has. */
  fork(from: string, to: string): void
  /** Runs a script in the served repository and returns what it printed, bytes as latin1. */
  inside(name: string, script: string): string
  close(): Promise<void>
}

const IDENTITY = {
  GIT_AUTHOR_NAME: 't',
  GIT_AUTHOR_EMAIL: 't@t.invalid',
  GIT_COMMITTER_NAME: 't',
  GIT_COMMITTER_EMAIL: 't@t.invalid',
  GIT_CONFIG_NOSYSTEM: '1',
}

/** What answers below `/api/` on the same host. */
export type HostApi = (asked: IncomingMessage, answer: ServerResponse) => void

/** Starts it; `credentials` (`user:password`) makes it ask for them. */
export async function aGitHost(credentials?: string, api?: HostApi): Promise<GitHostFixture> {
  const dir = mkdtempSync(join(tmpdir(), 'keelson-git-host-'))
  const env = { ...IDENTITY, PATH: '/usr/local/bin:/usr/bin:/bin', HOME: dir }
  const openssl = (...args: string[]) => execFileSync('/usr/bin/openssl', args, { cwd: dir, stdio: 'pipe' })
  openssl(...'req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-ca'.split(' '))
  openssl(...'req -newkey rsa:2048 -nodes -keyout host.key -out host.csr -subj /CN=localhost'.split(' '))
  writeFileSync(join(dir, 'san'), 'subjectAltName=DNS:localhost,DNS:git.example,IP:127.0.0.1\n')
  openssl(
    ...'x509 -req -in host.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out host.pem'.split(' '),
  )
  const read = (file: string) => execFileSync('cat', [join(dir, file)])
  mkdirSync(join(dir, 'served'))
  let connections = 0
  const authorizations: (string | undefined)[] = []
  const redirects = new Map<string, string>()
  const listed = new Set<string>()
  const quirks = {
    asksLate: new Set<string>(),
    isReadOnly: new Set<string>(),
    isRude: new Set<string>(),
    isOld: new Set<string>(),
    beforeTransfer: new Map<string, () => void>(),
  }
  const server = createServer({ key: read('host.key'), cert: read('host.pem') }, (asked, answer) => {
    authorizations.push(asked.headers.authorization)
    const name = /^\/(.*)\.git\//.exec(asked.url ?? '')?.[1] ?? ''
    const isShown = quirks.asksLate.has(name) && asked.method === 'GET'
    if (quirks.isOld.has(name)) delete asked.headers['git-protocol']
    if (asked.method === 'POST' && quirks.beforeTransfer.has(name)) {
      // The first one asks for the list.
      const meddle = listed.has(name) ? quirks.beforeTransfer.get(name) : undefined
      if (meddle !== undefined) quirks.beforeTransfer.delete(name)
      listed.add(name)
      meddle?.()
    }
    const moved = [...redirects].find(([from]) => asked.url?.startsWith(from))
    if (quirks.isRude.has(name)) asked.socket.end('HTTP/1.1 099 no\r\nContent-Length: 0\r\n\r\n')
    else if (moved) answer.writeHead(301, { location: `${moved[1]}${asked.url?.slice(moved[0].length)}` }).end()
    else if (api !== undefined && asked.url?.startsWith('/api/')) api(asked, answer)
    else if (
      credentials !== undefined &&
      !isShown &&
      asked.headers.authorization !== `Basic ${Buffer.from(credentials).toString('base64')}`
    ) {
      answer.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
    } else if (quirks.isReadOnly.has(name) && asked.url?.includes('git-receive-pack') === true) {
      answer.writeHead(403).end('You are not allowed to push code to this project.')
    } else serve(join(dir, 'served'), env, asked, answer)
  })
  server.on('connection', () => {
    connections += 1
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    origin: `https://localhost:${port}`,
    caFile: join(dir, 'ca.pem'),
    connections: () => connections,
    authorizations: () => authorizations,
    quirks,
    redirect: (from, to) => void redirects.set(from, to),
    repository(name, script) {
      const work = join(dir, `work-${name}`)
      execFileSync('bash', ['-ec', `git init -q -b main ${work} && cd ${work} && ${script}`], { env })
      execFileSync('git', ['clone', '-q', '--bare', work, join(dir, 'served', `${name}.git`)], { env })
      execFileSync(
        'git',
        ['-C', join(dir, 'served', `${name}.git`), 'config', 'uploadpack.allowReachableSHA1InWant', 'true'],
        { env },
      )
      execFileSync('git', ['-C', join(dir, 'served', `${name}.git`), 'config', 'http.receivepack', 'true'], { env })
    },
    fork(from, to) {
      const [source, copy] = [from, to].map((name) => join(dir, 'served', `${name}.git`))
      execFileSync('git', ['clone', '-q', '--bare', source ?? '', copy ?? ''], { env })
      execFileSync('git', ['-C', copy ?? '', 'config', 'http.receivepack', 'true'], { env })
      execFileSync('git', ['-C', copy ?? '', 'config', 'uploadpack.allowReachableSHA1InWant', 'true'], { env })
    },
    inside(name, script) {
      const cwd = join(dir, 'served', `${name}.git`)
      return execFileSync('bash', ['-euc', script], { cwd, env, encoding: 'latin1', stdio: ['ignore', 'pipe', 'pipe'] })
    },
    change(name, script, { force = false } = {}) {
      const work = join(dir, `work-${name}`)
      execFileSync('bash', ['-ec', `cd ${work} && ${script}`], { env })
      const push = ['push', '-q', ...(force ? ['--force'] : []), join(dir, 'served', `${name}.git`), '--all']
      execFileSync('git', ['-C', work, ...push], { env })
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** The common gateway interface, as far as git uses it. */
function serve(root: string, env: Record<string, string>, asked: IncomingMessage, answer: ServerResponse): void {
  const url = new URL(asked.url ?? '/', 'https://localhost')
  const child = spawn('git', ['http-backend'], {
    env: {
      ...env,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: asked.method ?? 'GET',
      CONTENT_TYPE: asked.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: asked.headers['content-encoding'] ?? '',
      GIT_PROTOCOL: String(asked.headers['git-protocol'] ?? ''),
      REMOTE_ADDR: '127.0.0.1',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  asked.pipe(child.stdin)
  child.stdin.on('error', () => undefined) // git had read enough
  let head = Buffer.alloc(0)
  let isBody = false
  child.stdout.on('data', (chunk: Buffer) => {
    if (isBody) return void answer.write(chunk)
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end === -1) return
    isBody = true
    for (const line of head.toString('latin1', 0, end).split('\r\n')) {
      const [name = '', value = ''] = line.split(/:\s*/, 2)
      if (name.toLowerCase() === 'status') answer.statusCode = Number.parseInt(value, 10)
      else answer.setHeader(name, value)
    }
    answer.write(head.subarray(end + 4))
  })
  child.stdout.on('end', () => answer.end())
}

/** A host that takes connections and says nothing. */
export async function aSilentHost(): Promise<{ origin: string; connections(): number; close(): Promise<void> }> {
  const open = new Set<Socket>()
  let connections = 0
  const server = createTcpServer((socket) => {
    connections += 1
    open.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => open.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `https://localhost:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
    async close() {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
