import { describe, expect, test } from 'vitest'
import { ConfigError, ENV_NAMES, isLoopback, loadChatConfig, loadConfig } from '../../../src/config.ts'

const minimal = {
  KEELSON_HOME: '/var/lib/keelson',
  DATABASE_URL: 'postgres://me:pw-secret@localhost/keelson',
  REDIS_URL: 'redis://:redis-secret@localhost:6379',
  ANTHROPIC_API_KEY: 'sk-secret',
}

function faultsOf(env: Record<string, string | undefined>): readonly string[] {
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

describe('loadConfig', () => {
  test('fills in every default and groups what belongs together', () => {
    const { toJSON: _, ...config } = loadConfig(minimal)
    expect(config).toEqual({
      home: '/var/lib/keelson',
      log: { level: 'info' },
      server: {
        host: '127.0.0.1',
        port: 3000,
        allowedHosts: [],
        trustedProxies: [],
        projectRoots: [],
        maxStreams: 12_000,
      },
      forges: [],
      git: {
        origins: [],
        author: { name: 'Keelson', email: 'keelson@localhost' },
        committer: { name: 'Keelson', email: 'keelson@localhost' },
      },
      credentials: {},
      temporal: { address: 'localhost:7233', namespace: 'default', connectionOptions: {} },
      database: { url: minimal.DATABASE_URL, poolSize: 10 },
      redis: { url: minimal.REDIS_URL },
      model: { kind: 'anthropic', name: 'claude-haiku-4-5', isCompat: false, limits: {}, apiKey: 'sk-secret' },
      sandbox: { provider: 'local-bwrap', sweepSeconds: 300, keptBytes: 1024 ** 3, serviceIdleMinutes: 60 },
      network: {
        policy: 'registries',
        registries: [],
        toolchains: [],
        toolEnv: {},
        trustedFiles: ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'],
      },
      agent: { turnSliceMs: 2_000, maxTasks: 50, continueAsNewAfterEvents: 2_000 },
      budgets: { maxUsd: 5, maxTurns: 200, maxMinutes: 120, waitHours: 168, project: {}, day: {} },
      metrics: {},
      retention: { eventDays: 30, execHours: 24 },
    })
  })

  test('reports all faults at once, and no value, which may be a secret', () => {
    const faults = faultsOf({ KEELSON_HOME: 'here', PORT: '99999', REDIS_URL: 'http://secret', BUDGET_MAX_USD: 'much' })
    expect(faults.map((fault) => fault.split(':')[0])).toEqual([
      'KEELSON_HOME',
      'PORT',
      'DATABASE_URL',
      'REDIS_URL',
      'BUDGET_MAX_USD',
    ])
    expect(faults.join('\n')).not.toMatch(/99999|secret|much/)
  })

  test('proxies are named by loopback, address or subnet, and nothing else', () => {
    const proxies = (text: string): readonly string[] =>
      loadConfig({ ...minimal, KEELSON_TRUST_PROXY: text }).server.trustedProxies
    expect(proxies('loopback,10.0.0.0/8, fd00::1')).toEqual(['127.0.0.0/8', '::1', '10.0.0.0/8', 'fd00::1'])
    for (const wrong of ['1', 'yes', 'proxy.example', '10.0.0.0/33', '10.0.0.0/8/8', 'loopback,*']) {
      expect(faultsOf({ ...minimal, KEELSON_TRUST_PROXY: wrong })).toHaveLength(1)
    }
  })

  test('refuses to listen beyond loopback without a token', () => {
    expect(faultsOf({ ...minimal, HOST: '0.0.0.0' })).toHaveLength(1)
    expect(faultsOf({ ...minimal, HOST: '0.0.0.0', KEELSON_API_TOKEN: '0123456789abcdef' })).toEqual([])
  })

  test('an unsafe sandbox needs to be asked for twice', () => {
    expect(faultsOf({ ...minimal, SANDBOX_PROVIDER: 'unsafe-host' })).toHaveLength(1)
    expect(faultsOf({ ...minimal, SANDBOX_PROVIDER: 'unsafe-host', KEELSON_UNSAFE_HOST: '1' })).toEqual([])
  })

  test('without a key the model is the scripted one, whose address must be known to whoever calls it', () => {
    const env = { ...minimal, ANTHROPIC_API_KEY: '' }
    expect(faultsOf(env)).toHaveLength(1)
    expect(loadConfig(env, { callsModel: false }).model).toEqual({
      kind: 'scripted',
      name: 'claude-haiku-4-5',
      isCompat: false,
      limits: {},
    })
  })

  test('a server of one’s own needs no key, waits for minutes before a reply begins, and takes limits', () => {
    const env = { ...minimal, ANTHROPIC_API_KEY: '', ANTHROPIC_BASE_URL: 'http://localhost:8080' }
    const base = { kind: 'anthropic', name: 'claude-haiku-4-5', isCompat: true, baseUrl: 'http://localhost:8080' }
    expect(loadConfig(env).model).toEqual({
      ...base,
      limits: {},
      firstEventTimeoutMs: 600_000,
      stallTimeoutMs: 300_000,
    })
    const settings = {
      ...{ KEELSON_CONTEXT_TOKENS: '16384', KEELSON_MAX_OUTPUT_TOKENS: '2048' },
      ...{ KEELSON_FIRST_EVENT_MINUTES: '0.5', KEELSON_SILENCE_MINUTES: '0.25' },
    }
    expect(loadConfig({ ...env, ...settings }).model).toEqual({
      ...base,
      limits: { contextTokens: 16_384, maxOutputTokens: 2_048 },
      firstEventTimeoutMs: 30_000,
      stallTimeoutMs: 15_000,
    })
    expect(
      faultsOf({
        ...env,
        KEELSON_CONTEXT_TOKENS: '16k',
        KEELSON_FIRST_EVENT_MINUTES: '31',
        KEELSON_SILENCE_MINUTES: '0',
      }),
    ).toHaveLength(3)
    expect(faultsOf({ ...env, ANTHROPIC_BASE_URL: 'https://api.anthropic.com' })).toHaveLength(1)
  })

  test('another server than Anthropic’s is a compat one', () => {
    const kindAt = (url: string): boolean => loadConfig({ ...minimal, ANTHROPIC_BASE_URL: url }).model.isCompat
    expect([kindAt('https://api.anthropic.com'), kindAt('http://localhost:8080')]).toEqual([false, true])
  })

  test.each([
    ['http://localhost:8080/', 'http://localhost:8080'],
    ['http://localhost:8080/v1', 'http://localhost:8080'],
    ['http://localhost:8080/v1/', 'http://localhost:8080'],
    ['http://localhost:8080/v1/messages', 'http://localhost:8080'],
    ['http://[::1]:8080/v1', 'http://[::1]:8080'],
    ['https://models.example/anthropic', 'https://models.example/anthropic'],
    ['https://models.example/anthropic/v1/', 'https://models.example/anthropic'],
    ['https://api.anthropic.com/v1', 'https://api.anthropic.com'],
  ])('the model server %s is asked below %s', (url, baseUrl) => {
    expect(loadConfig({ ...minimal, ANTHROPIC_API_KEY: 'k', ANTHROPIC_BASE_URL: url }).model.baseUrl).toBe(baseUrl)
  })

  test.each([
    ['localhost:8080', /ANTHROPIC_BASE_URL: must be a URL that begins with http/],
    ['http://me:pass@localhost:8080', /ANTHROPIC_BASE_URL: must hold no name and password; .*ANTHROPIC_API_KEY/],
    ['http://localhost:8080/v1?key=1', /ANTHROPIC_BASE_URL: must end with the path/],
  ])('the model server %s is refused, and the way out is said', (url, says) => {
    const faults = faultsOf({ ...minimal, ANTHROPIC_BASE_URL: url })
    expect(faults).toEqual([expect.stringMatching(says)])
  })

  test('shows no secret when it is logged', () => {
    const token = 'token-secret-0123456789'
    const config = loadConfig({ ...minimal, KEELSON_API_TOKEN: token, TEMPORAL_API_KEY: 'temporal-secret' })
    expect(JSON.stringify(config)).not.toContain('secret')
    expect(Object.isFrozen(config.server)).toBe(true)
  })

  test('takes Temporal’s own variables', () => {
    const config = loadConfig({ ...minimal, TEMPORAL_ADDRESS: 'temporal.example:7233', TEMPORAL_NAMESPACE: 'work' })
    expect([config.temporal.address, config.temporal.namespace]).toEqual(['temporal.example:7233', 'work'])
  })

  test('names its variables for the example file', () => {
    expect(ENV_NAMES).toContain('KEELSON_PROJECT_ROOTS')
    expect(ENV_NAMES).not.toContain('KEELSON_CRASH_POINT')
  })
})

test.each([
  ['127.0.0.1', true],
  ['127.8.8.8', true],
  ['localhost', true],
  ['::1', true],
  ['0.0.0.0', false],
  ['::', false],
  ['192.168.1.5', false],
  ['example.com', false],
])('%s is loopback: %s', (host, expected) => {
  expect(isLoopback(host)).toBe(expected)
})

test('the terminal’s client finds home and the directory it was called in, heeds NO_COLOR and knows how it is typed', () => {
  const typed = 'npm run chat --'
  const called = { npm_lifecycle_event: 'chat', INIT_CWD: '/src/mine' }
  expect(loadChatConfig({ ...called, KEELSON_HOME: '/k', NO_COLOR: '1', KEELSON_TYPED: typed })).toEqual({
    home: '/k',
    noColor: true,
    typed,
    directory: '/src/mine',
  })
})
