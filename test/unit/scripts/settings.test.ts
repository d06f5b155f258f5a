import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { modelEnv, serverEnv, workerEnv } from '../../../scripts/lib/part-env.mjs'
import { homeOf, readSettings } from '../../../scripts/lib/paths.mjs'
import { serverUrl } from '../../../scripts/lib/server-port.mjs'
import { withoutStores } from '../../../scripts/lib/test-env.mjs'

const addresses = {
  databaseUrl: 'postgresql://db',
  redisUrl: 'redis://cache',
  temporal: { address: '127.0.0.1:7', namespace: 'keelson', webUrl: 'http://127.0.0.1:8' },
  model: { kind: 'anthropic' as const, name: 'claude-haiku-4-5', baseUrl: 'https://api.anthropic.com' },
  host: '127.0.0.1',
  port: 3000,
  apiToken: 'api',
  setupToken: 'setup',
}

test('the environment wins over .env, and an empty value is no value', () => {
  const root = mkdtempSync(join(tmpdir(), 'keelson-settings-'))
  writeFileSync(join(root, '.env'), 'PORT=4000\nHOST=0.0.0.0\nLOG_LEVEL=\n')
  const settings = readSettings({ PORT: '5000', REDIS_URL: '' }, root)
  rmSync(root, { recursive: true })
  expect({ settings, home: homeOf(settings, '/x') }).toEqual({
    settings: { PORT: '5000', HOST: '0.0.0.0' },
    home: '/x/.keelson',
  })
})

test("the model's key reaches the worker and no other part", () => {
  const settings = {
    PATH: '/bin',
    ANTHROPIC_API_KEY: 'sk-secret',
    ANTHROPIC_AUTH_TOKEN: 'sk-other',
    LOG_LEVEL: 'debug',
  }
  const envs = {
    model: modelEnv(settings),
    server: serverEnv(settings, '/home', addresses),
    worker: workerEnv(settings, '/home', addresses),
  }
  const holders = Object.entries(envs).filter(([, env]) => JSON.stringify(env).includes('sk-'))
  expect(holders.map(([name]) => name)).toEqual(['worker'])
  expect([envs.server['LOG_LEVEL'], envs.model]).toEqual(['debug', { PATH: '/bin' }])
})

test("the server's tokens do not reach the worker", () => {
  const env = workerEnv({ PATH: '/bin' }, '/home', addresses)
  expect(Object.values(env).filter((value) => value === 'api' || value === 'setup')).toEqual([])
})

test('a private stack sees neither the stores nor the instance of the user', () => {
  const env = withoutStores({
    PATH: '/bin',
    DATABASE_URL: 'x',
    REDIS_URL: 'x',
    TEMPORAL_API_KEY: 'x',
    KEELSON_HOME: '/x',
    KEELSON_NO_SYSTEM_INSTALL: '1',
    PORT: '1',
  })
  expect(env).toEqual({ PATH: '/bin', KEELSON_NO_SYSTEM_INSTALL: '1' })
})

test('the URL is one that this machine can open', () => {
  const urls = ['127.0.0.1', '0.0.0.0', '::', '::1'].map((host) => serverUrl(host, 3000))
  expect(urls).toEqual(['http://127.0.0.1:3000', 'http://127.0.0.1:3000', 'http://127.0.0.1:3000', 'http://[::1]:3000'])
})
