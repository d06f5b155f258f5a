/** The package as a person gets it: packed, installed into an empty prefix by an ordinary user, and used from any directory. */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toolEnv } from '../../scripts/lib/child-env.mjs'
import { ROOT } from '../../scripts/lib/paths.mjs'
import { waitFor } from '../support/wait-for.ts'

const run = promisify(execFile)
const LIMIT_MS = 300_000
const isRoot = process.getuid?.() === 0
/** `nobody`: Postgres wants a user who has a name. */
const user = isRoot ? { uid: 65_534, gid: 65_534 } : {}
const TASK = 'The tests fail. Find out why, fix it, and make sure that the tests pass.'

let directory: string
let env: NodeJS.ProcessEnv
let instance: ChildProcess | undefined

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-package-'))
  chmodSync(directory, 0o755)
  for (const name of ['person', 'prefix', 'elsewhere', 'programs']) {
    mkdirSync(join(directory, name))
    if (isRoot) chownSync(join(directory, name), 65_534, 65_534)
  }
  for (const [name, from] of [
    ['temporal', process.env['KEELSON_TEST_TEMPORAL_BINARY'] ?? ''],
    ['redis-server', process.env['KEELSON_TEST_REDIS_BINARY'] ?? ''],
  ] as const) {
    copyFileSync(from, join(directory, 'programs', name))
    chmodSync(join(directory, 'programs', name), 0o755)
  }
  const registry = await run('npm', ['config', 'get', 'registry'], { cwd: ROOT })
  env = {
    ...withoutNpm(toolEnv(process.env)),
    PATH: [join(directory, 'prefix', 'bin'), join(directory, 'programs'), process.env['PATH']].join(':'),
    HOME: join(directory, 'person'),
    NPM_CONFIG_REGISTRY: registry.stdout.trim(),
    NPM_CONFIG_UPDATE_NOTIFIER: 'false',
    NPM_CONFIG_FETCH_RETRIES: '1',
  }
  const checkout = copyOfCheckout(join(directory, 'checkout'))
  await run('npm', ['pack', '--pack-destination', directory], { cwd: checkout, timeout: LIMIT_MS })
  const archive = readdirSync(directory).find((name) => name.endsWith('.tgz')) ?? ''
  const args = ['install', '-g', '--prefix', join(directory, 'prefix'), join(directory, archive), '--ignore-scripts']
  await run('npm', args, { ...user, cwd: join(directory, 'elsewhere'), env, timeout: LIMIT_MS })
}, LIMIT_MS)

afterAll(async () => {
  instance?.kill('SIGTERM')
  if (instance !== undefined) await waitFor(() => instance?.exitCode !== null, 'the instance ended', 60_000)
  rmSync(directory, { recursive: true, force: true })
}, LIMIT_MS)

/** A checkout of its own, with this one's dependencies: packing locks and builds what other tests are started from. */
function copyOfCheckout(to: string): string {
  const own = new Set(['node_modules', '.git', '.keelson'])
  cpSync(ROOT, to, {
    recursive: true,
    filter: (from) => dirname(from) !== ROOT || !own.has(basename(from)),
  })
  symlinkSync(join(ROOT, 'node_modules'), join(to, 'node_modules'))
  return to
}

/** What the npm that runs the tests tells its own children, such as where the cache of this user is. */
function withoutNpm(given: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(given).filter(([name]) => !/^npm_config_/i.test(name)))
}

interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function keelson(...words: string[]): Promise<Ended> {
  const child = spawn('keelson', words, { ...user, cwd: join(directory, 'elsewhere'), env })
  const said = { out: '', err: '' }
  child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code: code ?? -1, ...said }
}

function lockedVersions(lock: string): Record<string, string> {
  const { packages } = JSON.parse(readFileSync(lock, 'utf8')) as { packages: Record<string, { version: string }> }
  return Object.fromEntries(Object.entries(packages).map(([path, { version }]) => [path, version]))
}

describe('an installed package', { timeout: LIMIT_MS }, () => {
  test('holds what was built and the locked dependencies, and puts keelson on the PATH', async () => {
    const installed = join(directory, 'prefix', 'lib', 'node_modules', 'keelson')
    const wanted = lockedVersions(join(ROOT, 'package-lock.json'))
    const got = ['hono', '@temporalio/worker', 'zod', 'pg', 'protobufjs', '@grpc/grpc-js', 'webpack', 'long'].map(
      (name) => [name, JSON.parse(readFileSync(join(installed, 'node_modules', name, 'package.json'), 'utf8')).version],
    )
    expect({
      version: await keelson('--version'),
      places: readdirSync(installed).filter((name) => ['src', 'dist', 'test', '.keelson'].includes(name)),
      developed: readdirSync(join(installed, 'node_modules')).filter((name) => ['typescript', 'vite'].includes(name)),
      got,
      left: readdirSync(join(directory, 'checkout')).filter((name) => name === 'npm-shrinkwrap.json'),
    }).toEqual({
      version: { code: 0, out: expect.stringMatching(/^keelson \d+\.\d+\.\d+\n$/), err: '' },
      places: ['dist'],
      developed: [],
      got: got.map(([name]) => [name, wanted[`node_modules/${name}`]]),
      left: [],
    })
  })

  test('says in a sentence and by its exit code what cannot be', async () => {
    const [command, option, idle, chat, doctor] = [
      await keelson('stauts'),
      await keelson('tasks', '--jsno'),
      await keelson('projects', '--json'),
      await keelson('chat', 'Hello'),
      await keelson('doctor', '--json'),
    ]
    const found = JSON.parse(doctor.out) as { ok: boolean; checks: { name: string; state: string; fix?: string }[] }
    expect({
      command: [command.code, command.err.split('\n')[0]],
      option: [option.code, option.err.split('\n')[0]],
      idle: [idle.code, JSON.parse(idle.out).error.code],
      chat: [chat.code, chat.err.includes('keelson start')],
      status: [(await keelson('status')).code, (await keelson('status', '--json')).out],
      doctor: [doctor.code, found.ok, found.checks.filter(({ state }) => state === 'fail')],
      looked: [
        'node',
        'bwrap',
        'sandbox',
        'sandbox network',
        'disk',
        'port',
        'model',
        'postgres',
        'redis',
        'temporal',
      ].filter((name) => !found.checks.some((check) => check.name === name)),
      helpless: found.checks.filter(({ state, fix }) => state !== 'ok' && fix === undefined),
    }).toEqual({
      command: [2, 'There is no command stauts. Did you mean status?'],
      option: [2, 'There is no option --jsno. Did you mean --json?'],
      idle: [2, 'not_running'],
      chat: [2, true],
      status: [1, '{"running":false}\n'],
      doctor: [0, true, []],
      looked: [],
      helpless: [],
    })
  })

  test('starts in any directory, does a task, shows and stops it', async () => {
    instance = spawn('keelson', ['start', '--json'], { ...user, cwd: join(directory, 'elsewhere'), env })
    const ended = once(instance, 'exit')
    let said = ''
    instance.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    instance.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await waitFor(() => said.includes('"setupUrl"'), 'it says that it runs', 120_000)
    const chat = await keelson('chat', '--sample', '--expect', 'approved', '--json', TASK)
    const status = await keelson('status', '--json')
    const [tasks, diff, patch] = [
      await keelson('tasks', '--json'),
      await keelson('diff', '--json'),
      await keelson('diff', '--patch'),
    ]
    const [task] = JSON.parse(tasks.out) as { id: string; outcome: string; evidence: string }[]
    const opened = await keelson('open', '--print')
    const token = await keelson('token')
    const completed = await keelson('__complete', 'diff', 'tsk_')
    const cancelled = await keelson('cancel', task?.id ?? '', '--json')
    const stopped = await keelson('stop', '--json')
    const [code] = (await ended) as [number | null]
    expect({
      chat: chat.code,
      status: [status.code, JSON.parse(status.out).running],
      task: [task?.outcome, task?.evidence],
      diff: [diff.code, JSON.parse(diff.out).stat.files > 0, patch.out.startsWith('diff --git ')],
      opened: /^http:\/\/127\.0\.0\.1:\d+\/#setup=link\./.test(opened.out),
      token: JSON.parse(status.out).apiToken === token.out.trim(),
      completed: completed.out.split('\t')[0],
      cancelled: [cancelled.code, JSON.parse(cancelled.out)],
      stopped: [stopped.code, stopped.out, code],
      home: readdirSync(join(directory, 'person', '.keelson')).includes('postgres'),
      elsewhere: readdirSync(join(directory, 'elsewhere')),
    }).toEqual({
      chat: 0,
      status: [0, true],
      task: ['approved', 'verified'],
      diff: [0, true, true],
      opened: true,
      token: true,
      completed: task?.id,
      cancelled: [1, { taskId: task?.id, status: 'completed' }],
      stopped: [0, '{"stopped":true}\n', 0],
      home: true,
      elsewhere: [],
    })
  })
})
