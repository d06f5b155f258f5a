import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkHome } from '../../../src/cli/doctor/check-home.ts'
import { checkModel } from '../../../src/cli/doctor/check-model.ts'
import { diagnoseRegistries as registryFindings } from '../../../src/cli/doctor/check-registries.ts'
import { diagnoseSandbox as sandboxFindings } from '../../../src/cli/doctor/check-sandbox.ts'
import { checkSettings } from '../../../src/cli/doctor/check-settings.ts'
import { checkPostgres, checkRedis } from '../../../src/cli/doctor/check-stores.ts'
import { NO_REGISTRIES } from '../../../src/egress/registries/discover.ts'
import { judge } from '../../../src/sandbox/local-bwrap/probe.ts'

const KEY = 'sk-good-and-secret'

let models: Server
let baseUrl: string

beforeAll(async () => {
  models = createServer((asked, answer) => {
    answer.writeHead(asked.url?.startsWith('/none') ? 404 : asked.headers['x-api-key'] === KEY ? 200 : 401)
    answer.end('{"data":[]}')
  })
  await new Promise<void>((resolve) => models.listen(0, '127.0.0.1', resolve))
  baseUrl = `http://127.0.0.1:${(models.address() as AddressInfo).port}`
})

afterAll(async () => {
  models.closeAllConnections()
  await new Promise((resolve) => models.close(resolve))
})

describe('the doctor', () => {
  test('asks the model’s server whether the key is good, and never says it', async () => {
    const found = await Promise.all([
      checkModel({ kind: 'anthropic', baseUrl, apiKey: KEY }),
      checkModel({ kind: 'anthropic', baseUrl, apiKey: 'sk-wrong-and-secret' }),
      checkModel({ kind: 'anthropic', baseUrl: `${baseUrl}/none`, apiKey: KEY }),
      checkModel({ kind: 'anthropic', baseUrl: 'http://127.0.0.1:9', apiKey: KEY }),
      checkModel({ kind: 'scripted' }),
    ])
    expect({
      states: found.map(({ state }) => state),
      leaks: found.filter((finding) => JSON.stringify(finding).includes('secret')),
      withoutFix: found.filter(({ state, fix }) => state !== 'ok' && fix === undefined),
    }).toEqual({ states: ['ok', 'fail', 'warn', 'fail', 'warn'], leaks: [], withoutFix: [] })
  })

  test('asks the stores that settings name, and says no password', async () => {
    const databaseUrl = process.env['KEELSON_TEST_DATABASE_URL'] ?? ''
    const found = await Promise.all([
      checkPostgres(databaseUrl),
      checkPostgres('postgresql://keelson:secret@127.0.0.1:9/keelson'),
      checkRedis(process.env['KEELSON_TEST_REDIS_URL'] ?? ''),
      checkRedis('redis://:secret@127.0.0.1:9'),
    ])
    expect({
      states: found.map(({ name, state }) => `${name} ${state}`),
      leaks: found.filter((finding) => JSON.stringify(finding).includes('secret')),
    }).toEqual({ states: ['postgres ok', 'postgres fail', 'redis ok', 'redis fail'], leaks: [] })
  })

  test('finds a home that cannot be one, and settings with faults', async () => {
    const [missing, file] = [join(tmpdir(), 'keelson-none', 'home'), '/etc/hosts/home']
    const names = async (home: string) => (await checkHome(home)).map(({ name, state }) => `${name} ${state}`)
    const faulty = checkSettings({ PORT: 'many', KEELSON_NETWORK: 'all' }, '/k')
    expect({
      missing: await names(missing),
      file: (await names(file))[0],
      good: checkSettings({}, '/k').diagnoses,
      faults: faulty.diagnoses.map(({ state, detail }) => `${state} ${detail.split(':')[0]}`),
      config: faulty.config,
    }).toEqual({
      missing: ['home ok', expect.stringMatching(/^disk /)],
      file: 'home fail',
      good: [{ name: 'settings', state: 'ok', detail: 'no faults' }],
      faults: ['fail PORT', 'fail KEELSON_NETWORK'],
      config: null,
    })
  })

  test('names each protection of the sandbox that does not hold, and a cgroup that is not there', () => {
    const user = { uid: 70_000, gid: 70_000 }
    const states = (keeper: 'watchdog' | 'cgroup-v2', limits = 'memory kept\nprocesses kept\n') =>
      Object.fromEntries(
        sandboxFindings(judge(`keeper ${keeper}\n${limits}end\n`, { user })).map(({ name, state }) => [
          name.replace('sandbox ', ''),
          state,
        ]),
      )
    const nothingHolds = { sandbox: 'fail', user: 'fail', namespaces: 'fail', network: 'fail', 'system-calls': 'fail' }
    const others = { 'kernel-settings': 'ok', 'private-keys': 'ok', descriptors: 'ok', 'own-files': 'ok' }
    expect([states('watchdog'), states('cgroup-v2'), states('cgroup-v2', '')]).toEqual([
      { ...nothingHolds, ...others, memory: 'warn', processes: 'warn' },
      { ...nothingHolds, ...others, memory: 'ok', processes: 'ok' },
      { ...nothingHolds, ...others, memory: 'fail', processes: 'fail' },
    ])
  })

  test('minds a registry that is silent, and fails when all are', () => {
    const known = {
      ...NO_REGISTRIES,
      registries: ['a.test', 'b.test'].map((host) => ({ host, port: 443, scheme: 'https' as const })),
      tools: [
        { tool: 'npm', hosts: ['a.test'] },
        { tool: 'pip', hosts: ['b.test'] },
      ],
    }
    const states = (a: string | null, b: string | null) =>
      registryFindings(
        known,
        new Map([
          ['a.test', a],
          ['b.test', b],
        ]),
      ).map(({ state }) => state)
    expect([states(null, null), states(null, 'silent'), states('silent', 'silent')]).toEqual([
      ['ok', 'ok'],
      ['ok', 'warn'],
      ['fail', 'fail'],
    ])
    expect(registryFindings(NO_REGISTRIES, new Map()).map(({ state }) => state)).toEqual(['warn'])
  })
})
