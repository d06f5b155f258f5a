import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SILENT } from '../../scripts/lib/log.mjs'
import { freePort } from '../../scripts/lib/ports.mjs'
import { identify, isAlive } from '../../scripts/lib/process-identity.mjs'
import { isPartAlive, readRunningState, readState } from '../../scripts/lib/state.mjs'
import { type Stack, startStack } from '../../scripts/lib/supervisor.mjs'
import { queryOnce } from '../support/query-once.ts'
import { STAND_INS } from '../unit/scripts/stand-ins/entries.mjs'

const redis = process.env['KEELSON_TEST_REDIS_BINARY'] ?? ''
const temporal = process.env['KEELSON_TEST_TEMPORAL_BINARY'] ?? ''
const PARTS = ['model', 'postgres', 'redis', 'server', 'supervisor', 'temporal', 'worker'] as const
const RESTARTED = ['worker', 'server', 'model', 'temporal', 'redis', 'postgres'] as const

let home: string
let started: Stack[]
let port: number

beforeEach(async () => {
  port = await freePort()
  home = mkdtempSync(join(tmpdir(), 'keelson-start-'))
  started = []
})

afterEach(async () => {
  await Promise.all(started.map((stack) => stack.stop()))
  rmSync(home, { recursive: true, force: true })
})

async function start(settings: NodeJS.ProcessEnv = {}, entries = STAND_INS): Promise<Stack> {
  // The product's own choice is the same for every instance, so that two that start at once could meet there.
  const env = { PATH: process.env['PATH'], PORT: String(port), ...settings }
  const stack = await startStack({ home, settings: env, binaries: { redis, temporal }, log: SILENT, entries })
  started.push(stack)
  return stack
}

function livingProcesses() {
  const processes = readState(home)?.processes ?? {}
  return Object.values(processes).flatMap((pid) => identify(pid) ?? [])
}

describe('an instance', { timeout: 120_000 }, () => {
  test('tells in a private file what runs, refuses a second one beside it, and leaves only its data', async () => {
    const stack = await start()
    const state = stack.state()
    expect(readRunningState(home)).toEqual(state)
    expect({
      parts: Object.keys(state.processes).sort(),
      alive: PARTS.filter((part) => isPartAlive(state, part)),
      modes: ['state.json', 'api-token', 'processes.json', 'postgres/password', 'redis/redis.conf'].map(
        (file) => statSync(join(home, file)).mode & 0o777,
      ),
    }).toEqual({ parts: [...PARTS], alive: [...PARTS], modes: [0o600, 0o600, 0o600, 0o600, 0o600] })

    await expect(start()).rejects.toThrow(`running already at ${state.url}`)
    expect(readRunningState(home)).toEqual(state)

    const processes = livingProcesses().filter((one) => one.pid !== process.pid)
    await queryOnce(state.databaseUrl, 'create table kept as select 7 as value')
    await stack.stop()
    expect({
      alive: processes.filter(isAlive),
      files: ['state.json', 'processes.json', 'lock'].filter((file) => existsSync(join(home, file))),
    }).toEqual({ alive: [], files: [] })

    const again = (await start()).state()
    expect(await queryOnce(again.databaseUrl, 'select value from kept')).toEqual([{ value: 7 }])
    expect(again.apiToken).toBe(state.apiToken)
  })

  test('starts each part again that dies, at its old address', async () => {
    const stack = await start()
    const before = stack.state()
    for (const part of RESTARTED) process.kill(before.processes[part] ?? 0, 'SIGKILL')
    await vi.waitFor(
      () => {
        const now = readState(home)
        expect(RESTARTED.filter((part) => now?.processes[part] === before.processes[part])).toEqual([])
        expect(now && PARTS.filter((part) => !isPartAlive(now, part))).toEqual([])
      },
      { timeout: 60_000, interval: 50 },
    )
    const { processes, starts, ...addresses } = stack.state()
    expect({ ...addresses, supervisor: processes.supervisor, start: starts.supervisor }).toEqual({
      ...omitProcesses(before),
      supervisor: process.pid,
      start: before.starts.supervisor,
    })
    expect(await queryOnce(addresses.databaseUrl, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  test('finds its data again after its supervisor was killed, and stops what that left running', async () => {
    const program = fileURLToPath(new URL('../unit/scripts/stand-ins/supervise.mjs', import.meta.url))
    const supervisor = spawn(process.execPath, [program, home, redis, temporal], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(supervisor.stdout, 'data')
    const first = readState(home)
    const orphans = livingProcesses().filter((one) => one.pid !== supervisor.pid)
    await queryOnce(first?.databaseUrl ?? '', 'create table kept as select 7 as value')
    supervisor.kill('SIGKILL')
    await once(supervisor, 'exit')
    expect([orphans.filter(isAlive).length, readRunningState(home)]).toEqual([RESTARTED.length, undefined])

    const second = (await start()).state()
    expect(orphans.filter(isAlive)).toEqual([])
    expect(await queryOnce(second.databaseUrl, 'select value from kept')).toEqual([{ value: 7 }])
  })

  test.runIf(process.getuid?.() === 0)(
    'that an ordinary user made and left open is root’s when root starts it, with its data, also after half a move',
    async () => {
      const first = await start()
      await queryOnce(first.state().databaseUrl, 'create table kept as select 7 as value')
      await first.stop()
      const data = join(home, 'postgres', 'data')
      const { uid } = statSync(data)
      execFileSync('chown', ['-hR', '65533:65533', home])
      execFileSync('chmod', ['-R', 'a+rX', home])
      // As a start left it that was killed while it gave the files away.
      for (const name of ['base', 'global', 'PG_VERSION']) chownSync(join(data, name), uid, uid)

      const again = (await start()).state()
      expect(await queryOnce(again.databaseUrl, 'select value from kept')).toEqual([{ value: 7 }])
      const others = (directory: string, owner: number) =>
        readdirSync(directory, { recursive: true, encoding: 'utf8' })
          .concat('.')
          .filter((name) => lstatSync(join(directory, name)).uid !== owner)
      expect({
        data: others(data, uid),
        rest: others(home, 0).filter((name) => !name.startsWith('postgres/data')),
        open: readdirSync(home).filter((name) => name !== 'bin' && (lstatSync(join(home, name)).mode & 0o066) !== 0),
        dataMode: statSync(data).mode & 0o777,
      }).toEqual({ data: [], rest: [], open: [], dataMode: 0o700 })
    },
  )

  test('that cannot start one part says which and why, and leaves nothing running', async () => {
    const broken = ['--eval', 'console.log("no isolation on this kernel"); process.exit(3)']
    const failure = start({}, { ...STAND_INS, worker: broken })
    await expect(failure).rejects.toMatchObject({
      name: 'StartError',
      message: expect.stringMatching(/^worker ended while it started \(exit code 3\)/),
      detail: 'no isolation on this kernel',
    })
    expect(['state.json', 'processes.json', 'lock'].filter((file) => existsSync(join(home, file)))).toEqual([])
    const left = readFileSync(join(home, 'postgres', 'data', 'postmaster.opts'), 'utf8')
    expect([left.includes(home), existsSync(join(home, 'postgres', 'data', 'postmaster.pid'))]).toEqual([true, false])
  })

  test('hands the key to the worker alone', async () => {
    const stack = await start({ ANTHROPIC_API_KEY: 'sk-secret', LOG_LEVEL: 'debug' })
    const { url, processes, model } = stack.state()
    const holders = PARTS.filter((part) => part !== 'supervisor' && processes[part] !== undefined).filter((part) =>
      environmentOf(processes[part] ?? 0).includes('sk-secret'),
    )
    const serverEnv = (await (await fetch(`${url}/env`)).json()) as Record<string, string>
    expect({
      holders,
      model,
      level: serverEnv['LOG_LEVEL'],
      server: JSON.stringify(serverEnv).includes('sk-'),
    }).toEqual({
      holders: ['worker'],
      model: { kind: 'anthropic', name: 'claude-haiku-4-5', baseUrl: 'https://api.anthropic.com' },
      level: 'debug',
      server: false,
    })
  })
})

function omitProcesses({ processes: _processes, starts: _starts, ...rest }: ReturnType<Stack['state']>) {
  return rest
}

function environmentOf(pid: number): string {
  return readFileSync(`/proc/${pid}/environ`, 'utf8')
}
