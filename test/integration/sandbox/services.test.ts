import { existsSync, readdirSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:http'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Sandbox, ServiceDoors } from '../../../src/sandbox/types.ts'
import { waitFor } from '../../support/wait-for.ts'
import { aHost } from './support.ts'

const host = aHost()
let sandbox: Sandbox
let doors: ServiceDoors
let execs = 0

const SERVER = (listen: string) => `node -e "
  require('node:http').createServer((asked, answer) => answer.end('served ' + asked.url)).listen(${listen})"`

beforeAll(async () => {
  const provider = host.provider()
  sandbox = await provider.open(await provider.ensure({ projectId: 'prj_svc', generation: 0 }))
  if (sandbox.services === undefined) throw new Error('no services here')
  doors = sandbox.services
})

afterAll(() => host.close())

async function serve(command: string): Promise<string> {
  const execId = `svc${++execs}`
  await sandbox.start({ execId, taskId: 'services', argv: { sh: command }, timeoutMs: 3_600_000, service: true })
  return execId
}

async function run(sh: string, reachesServices: boolean): Promise<{ code: number | null; text: string }> {
  const execId = `run${++execs}`
  await sandbox.start({ execId, taskId: 'tsk', argv: { sh }, timeoutMs: 60_000, reachesServices })
  for (let cursor = 0, text = ''; ; ) {
    const poll = await sandbox.poll(execId, { cursor, maxBytes: 1_000_000, waitMs: 2_000 })
    for (const chunk of poll.chunks) text += Buffer.from(chunk.data).toString()
    if (poll.state.status !== 'running' && poll.chunks.length === 0) return { code: poll.state.exitCode, text }
    cursor = poll.cursor
  }
}

/** One HTTP request through a service's door. */
async function get(execId: string, port: number, url: string): Promise<string> {
  const socket = await doors.connect(execId, port)
  return await new Promise((resolve, reject) => {
    const asked = request({ path: url, createConnection: () => socket }, (answer: IncomingMessage) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => {
        text += chunk
      })
      answer.on('end', () => resolve(text))
    })
    asked.on('error', reject)
    asked.end()
  })
}

test('a service is found by what it listens on, on either family, and reached from outside and from other commands', async () => {
  const four = await serve(SERVER(`4100, '127.0.0.1'`))
  const six = await serve(SERVER(`4200, '::1'`))
  await waitFor(async () => (await doors.ports(four)).length + (await doors.ports(six)).length === 2, 'both listen')
  expect([await doors.ports(four), await doors.ports(six)]).toEqual([[4100], [4200]])
  expect([await get(four, 4100, '/a'), await get(six, 4200, '/b')]).toEqual(['served /a', 'served /b'])
  const ask = 'curl -s http://localhost:4100/c && echo && curl -s http://127.0.0.1:4200/d; code=$?; wait; exit $code'
  expect(await run(ask, true)).toEqual({ code: 0, text: 'served /c\nserved /d' })
  expect((await run('curl -s -m 5 http://localhost:4100/', false)).code).toBe(7)
})

test('other sandboxes see nothing of it, and its own cannot put another socket in the place of its door', async () => {
  const provider = host.provider()
  const other = await provider.open(await provider.ensure({ projectId: 'prj_svc_other', generation: 0 }))
  await other.start({
    execId: 'look',
    taskId: 'tsk',
    argv: { sh: 'ls /run/services 2>&1; curl -s -m 5 http://localhost:4100/; echo $?' },
    timeoutMs: 60_000,
    reachesServices: true,
  })
  const { state } = await other.poll('look', { cursor: 1_000_000, maxBytes: 0, waitMs: 10_000 })
  const { head } = await other.output('look', { headBytes: 1_000, tailBytes: 0 })
  expect([state.status, Buffer.from(head).toString()]).toEqual([
    'exited',
    "ls: cannot access '/run/services': No such file or directory\n7\n",
  ])
  const { text } = await run(
    'cd /run/services && for s in *; do rm -f $s; ln -s /workspace $s.x; done; ls | wc -l',
    true,
  )
  expect(text).toMatch(/Read-only file system[\s\S]*\n2\n$/)
})

test('an ended service leaves no socket behind and takes no connection', async () => {
  const execId = await serve(SERVER('4300'))
  await waitFor(async () => (await doors.ports(execId)).includes(4300), 'it listens')
  await sandbox.kill(execId)
  const sockets = path.join(host.dir, 'services')
  const left = readdirSync(sockets).flatMap((name) => readdirSync(path.join(sockets, name)))
  expect([await doors.ports(execId), left.length, existsSync(sockets)]).toEqual([[], 2, true])
  await expect(doors.connect(execId, 4300)).rejects.toMatchObject({ code: 'sandbox_unreachable' })
})

test('what a hostile service answers instead of its ports says nothing and holds nobody up', async () => {
  const flood = await serve(
    `node -e "setInterval(() => {}, 1000); for (let i = 0; i < 200; i++) require('node:net').createServer().listen(20000 + i)"`,
  )
  await waitFor(async () => (await doors.ports(flood)).length > 0, 'it listens')
  expect((await doors.ports(flood)).length).toBe(16)
  const stopped = await serve('until pkill -STOP -f proc/net; do sleep 0.01; done; echo stopped; sleep 60')
  await sandbox.poll(stopped, { cursor: 0, maxBytes: 100, waitMs: 10_000 })
  expect(await doors.ports(stopped)).toEqual([])
})

test('services take no place of commands, and one too many is refused', async () => {
  const provider = host.provider({ limits: { maxServices: 1, maxCommands: 1 } })
  const small = await provider.open(await provider.ensure({ projectId: 'prj_svc_small', generation: 0 }))
  const spec = { taskId: 'services', argv: { sh: 'sleep 60' }, timeoutMs: 3_600_000, service: true }
  await small.start({ ...spec, execId: 'one' })
  await expect(small.start({ ...spec, execId: 'two' })).rejects.toMatchObject({ code: 'sandbox_busy' })
  await small.start({ execId: 'cmd', taskId: 'tsk', argv: { sh: 'echo hi' }, timeoutMs: 10_000 })
  const { state } = await small.poll('cmd', { cursor: 1_000, maxBytes: 0, waitMs: 10_000 })
  await small.kill('one')
  await small.start({ ...spec, execId: 'three' })
  expect([state.exitCode, (await small.kill('three')).status]).toEqual([0, 'killed'])
})
