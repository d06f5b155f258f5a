/** What other users of the machine, and pages in a browser on it, can do with a running instance. */

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SILENT } from '../../scripts/lib/log.mjs'
import { freePort } from '../../scripts/lib/ports.mjs'
import { startPostgres } from '../../scripts/lib/postgres.mjs'
import { type Stack, startStack } from '../../scripts/lib/supervisor.mjs'
import { queryOnce } from '../support/query-once.ts'
import { waitFor } from '../support/wait-for.ts'
import { STAND_INS } from '../unit/scripts/stand-ins/entries.mjs'

const redis = process.env['KEELSON_TEST_REDIS_BINARY'] ?? ''
const temporal = process.env['KEELSON_TEST_TEMPORAL_BINARY'] ?? ''
const isRoot = process.getuid?.() === 0
const OTHERS = [65534, 47_113]

let directory: string
let home: string
let started: { stop(): Promise<void> }[]

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-neighbours-'))
  chmodSync(directory, 0o755)
  home = join(directory, 'home')
  mkdirSync(home)
  started = []
})

afterEach(async () => {
  for (const part of started) await part.stop()
  rmSync(directory, { recursive: true, force: true })
})

async function start(): Promise<Stack> {
  // The product's own choice is the same for every instance, so that two that start at once could meet there.
  const settings = { PATH: process.env['PATH'], PORT: String(await freePort()) }
  const stack = await startStack({ home, settings, binaries: { redis, temporal }, log: SILENT, entries: STAND_INS })
  started.push(stack)
  return stack
}

/** Files of the home that hold something and that a user may read. */
function readableBy(uid: number): string[] {
  const find = [
    'find',
    home,
    '-path',
    join(home, 'bin'),
    '-prune',
    '-o',
    '-type',
    'f',
    '-size',
    '+0',
    '-readable',
    '-print',
  ]
  const { stdout } = spawnSync('setpriv', [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', ...find], {
    encoding: 'utf8',
  })
  // A directory that may be passed but not listed is asked for each name that one could know.
  const known = filesBelow(home).filter((file) => !file.startsWith(join(home, 'bin')))
  const ask = spawnSync(
    'setpriv',
    [
      `--reuid=${uid}`,
      `--regid=${uid}`,
      '--clear-groups',
      'xargs',
      '-0',
      'sh',
      '-c',
      'for f; do test -r "$f" && echo "$f"; done',
      'sh',
    ],
    { encoding: 'utf8', input: known.join('\0') },
  )
  return [...stdout.split('\n'), ...ask.stdout.split('\n')].filter((line) => line !== '')
}

/** A database that runs makes and removes files meanwhile. */
function filesBelow(path: string): string[] {
  if (!existsSync(path)) return []
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const inner = join(path, entry.name)
    if (entry.isDirectory()) return filesBelow(inner)
    return (statSync(inner, { throwIfNoEntry: false })?.size ?? 0) > 0 && entry.isFile() ? [inner] : []
  })
}

function get(url: string, headers: Record<string, string>, method = 'GET'): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request(url, { method, headers }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    call.once('error', reject)
    call.end()
  })
}

describe('neighbours of an instance', { timeout: 120_000 }, () => {
  test.runIf(isRoot)('read no file of its home, also when an earlier version left them open', async () => {
    const planted = [
      'redis/appendonlydir/appendonly.aof.1.incr.aof',
      'temporal/old.db',
      'logs/worker.log.1',
      'old.json',
    ]
    for (const file of planted) {
      mkdirSync(join(home, file, '..'), { recursive: true, mode: 0o755 })
      writeFileSync(join(home, file), 'what a model wrote', { mode: 0o644 })
    }
    chmodSync(join(home, 'redis'), 0o755)
    await start()
    expect({
      readable: OTHERS.flatMap(readableBy),
      kept: filesBelow(home).filter((file) => file.endsWith('.aof')),
      logs: filesBelow(join(home, 'logs')).length > 4,
    }).toEqual({ readable: [], kept: [], logs: true })
  })

  test('are not served by the database: its role reads no file of the machine, and no password is none', async () => {
    const { databaseUrl } = (await start()).state()
    const bare = new URL(databaseUrl)
    bare.password = ''
    const refusals = [
      queryOnce(databaseUrl, "select pg_read_file('/etc/passwd')"),
      queryOnce(databaseUrl, "copy (select 1) to program 'true'"),
      queryOnce(databaseUrl, 'create role other superuser'),
      queryOnce(bare.href, 'select 1'),
      queryOnce(bare.href.replace('keelson_app', 'postgres'), 'select 1'),
      queryOnce(bare.href.replace('keelson_app', 'keelson'), 'select 1'),
    ]
    const results = await Promise.allSettled(refusals)
    expect(results.map((result) => (result.status === 'rejected' ? 'refused' : result.value))).toEqual(
      refusals.map(() => 'refused'),
    )
  })

  test('a database of the version before, which belonged to the superuser, belongs to the product’s role', async () => {
    const env = { PATH: process.env['PATH'] }
    const before = await startPostgres({ home, env })
    started.push(before)
    for (const sql of [
      'alter database keelson owner to keelson',
      'alter schema public owner to keelson',
      'drop role keelson_app',
      'create table things (id serial primary key, at timestamptz)',
      'create sequence lone',
      'create view seen as select id from things',
      "create type mood as enum ('good')",
      "create function one() returns int language sql as 'select 1'",
      'insert into things (at) values (now())',
    ]) {
      await queryOnce(before.adminUrl, sql)
    }
    await before.stop()
    const { url, stop } = await startPostgres({ home, env })
    started.push({ stop })
    await queryOnce(
      url,
      "alter table things add column more text; alter type mood add value 'better'; drop function one()",
    )
    expect(
      await queryOnce(
        url,
        "select (select count(*)::int from things) as things, nextval('lone')::int as lone, count(*)::int as seen from seen",
      ),
    ).toEqual([{ things: 1, lone: 1, seen: 1 }])
  })

  test.runIf(isRoot && process.platform === 'linux')(
    'below a directory that is closed to others Postgres runs without any right of root',
    async () => {
      chmodSync(directory, 0o700)
      const env = { PATH: process.env['PATH'] }
      const first = await startPostgres({ home, env })
      started.push(first)
      const status = readFileSync(`/proc/${first.pid}/status`, 'utf8')
      const read = (name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? ''
      expect({
        uid: read('Uid') === '0',
        ambient: read('CapAmb'),
        able: read('CapEff'),
        bound: read('CapBnd'),
      }).toEqual({
        uid: false,
        ambient: '0000000000000000',
        able: '0000000000000000',
        bound: '0000000000000000',
      })
      await queryOnce(first.url, 'create table kept as select 7 as value')
      process.kill(first.pid, 'SIGKILL')
      await first.exited
      const { url, stop } = await startPostgres({ home, env })
      started.push({ stop })
      expect(await queryOnce(url, 'select value from kept')).toEqual([{ value: 7 }])
    },
  )

  test.runIf(process.platform === 'linux')(
    'Temporal’s Web UI answers its owner, and no page of another name',
    async () => {
      const { webUrl = '' } = (await start()).state().temporal
      const { host, port } = new URL(webUrl)
      // The front answers before the page behind it does.
      await waitFor(async () => (await get(`${webUrl}/api/v1/namespaces`, {})) === 200, 'the page and its API answer')
      expect({
        own: await get(webUrl, {}),
        localhost: await get(webUrl, { host: `localhost:${port}` }),
        api: await get(`${webUrl}/api/v1/namespaces`, {}),
        evil: await get(webUrl, { host: 'evil.example' }),
        evilPort: await get(`${webUrl}/api/v1/namespaces`, { host: `evil.example:${port}` }),
        foreignPost: await get(`${webUrl}/api/v1/namespaces`, { host, origin: 'http://evil.example' }, 'POST'),
      }).toEqual({ own: 200, localhost: 200, api: 200, evil: 403, evilPort: 403, foreignPost: 403 })
    },
  )
})
