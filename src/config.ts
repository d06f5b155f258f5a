import { isIP } from 'node:net'
import { isAbsolute, resolve } from 'node:path'
import { type ClientConnectConfig, loadClientConnectConfig } from '@temporalio/envconfig'
import { z } from 'zod'
import { canonicalCredentialHost } from './credentials/credential-host.ts'
import { NETWORK_POLICIES, type NetworkPolicy } from './shared/network.ts'
import type { Budget } from './shared/task.ts'

/**
 * The only reader of the environment. {@link loadConfig} turns it into one frozen object in groups; everything else in
 * the program receives values.
 */

const optionalText = z.string().trim().min(1).optional()
const whole = (fallback: number, min: number, max: number) =>
  z.coerce.number().int().min(min).max(max).default(fallback)
const amount = (fallback: number) => z.coerce.number().positive().max(1_000_000).default(fallback)
const port = z.coerce.number().int().min(1).max(65_535).optional()
const optionalAmount = z.coerce.number().positive().max(1_000_000).optional()
const flag = z.stringbool().default(false)
const list = (separator: string) =>
  z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(separator)
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )

const absolutePath = z.string().refine(isAbsolute, 'must be an absolute path')
const urlOf = (...protocols: string[]) =>
  z
    .string()
    .refine(
      (text) => URL.canParse(text) && protocols.includes(new URL(text).protocol),
      `must be a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
    )

/**
 * Where a model's server is, as what its paths are appended to. People copy addresses with the version or the call's whole
 * path behind them, which the protocol's client appends itself.
 */
const modelServerUrl = urlOf('http:', 'https:').transform((text, context) => {
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') {
    context.addIssue({ code: 'custom', message: 'must hold no name and password; a key goes into ANTHROPIC_API_KEY' })
    return z.NEVER
  }
  if (url.search !== '' || url.hash !== '') {
    context.addIssue({ code: 'custom', message: 'must end with the path, without ? or #' })
    return z.NEVER
  }
  const path = url.pathname.replace(/\/+$/, '').replace(/\/v1(\/messages|\/models)?$/, '')
  return `${url.origin}${path.replace(/\/+$/, '')}`
})

const httpsOrigin = z
  .string()
  .refine(
    (text) =>
      URL.canParse(text) && new URL(text).protocol === 'https:' && new URL(text).href === `${new URL(text).origin}/`,
    'must be origins such as https://git.example.com:8443, separated by commas',
  )
  .transform((text) => new URL(text).origin)

/** `git.example.com=gitlab`, with `@` and the API's address where it cannot be told from the host. */
const namedForge = z.string().transform((text, context) => {
  const [, host, kind, baseUrl] = /^([^=@\s]+)=(github|gitlab|gitea|forgejo)(?:@(https:\/\/\S+?))?\/?$/.exec(text) ?? []
  const name = host === undefined ? null : canonicalCredentialHost(host)
  const isFine = baseUrl === undefined || (URL.canParse(baseUrl) && new URL(baseUrl).search === '')
  if (name === null || kind === undefined || !isFine) {
    context.addIssue({
      code: 'custom',
      message:
        'must be such as git.example.com=gitlab, or ghe.example.com=github@https://ghe.example.com/api/v3, separated by commas',
    })
    return z.NEVER
  }
  const forge = kind === 'github' || kind === 'gitlab' ? kind : 'gitea'
  return { host: name, kind: forge, baseUrl: baseUrl ?? `https://${name}${API_PATHS[forge]}` } as const
})
const API_PATHS = { github: '/api/v3', gitlab: '/api/v4', gitea: '/api/v1' } as const

/** As git writes them into a commit: without what would end the field there. */
const personName = z
  .string()
  .trim()
  .regex(/^[^<>\p{Cc}]{1,200}$/u, 'must be a name without < and >')
const personEmail = z
  .string()
  .trim()
  .regex(/^[^<>\s\p{Cc}]{1,200}$/u, 'must be an e-mail address without < and >')

const domainName = z
  .string()
  .trim()
  .toLowerCase()
  .regex(
    /^(?=.{1,200}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/,
    'must be a domain name such as preview.example.com',
  )

/** One proxy, or a subnet of them, whose X-Forwarded headers count; `loopback` stands for this machine. */
const proxyAddress = z
  .string()
  .refine(
    (text) => text === 'loopback' || isAddressOrSubnet(text),
    'must be loopback, addresses or subnets such as 10.0.0.0/8',
  )
  .transform((text) => (text === 'loopback' ? ['127.0.0.0/8', '::1'] : [text]))

const EnvSchema = z.object({
  KEELSON_HOME: absolutePath.default(() => resolve('.keelson')),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),

  HOST: z.string().trim().min(1).default('127.0.0.1'),
  PORT: whole(3000, 0, 65_535),
  KEELSON_API_TOKEN: z.string().min(16, 'must be at least 16 characters').optional(),
  KEELSON_SETUP_TOKEN: z.string().min(16, 'must be at least 16 characters').optional(),
  KEELSON_ALLOWED_HOSTS: list(','),
  KEELSON_PREVIEW_DOMAIN: domainName.optional(),
  KEELSON_TRUST_PROXY: list(',')
    .pipe(z.array(proxyAddress))
    .transform((all) => all.flat()),
  KEELSON_PROJECT_ROOTS: list(':').pipe(z.array(absolutePath)),
  KEELSON_GIT_ORIGINS: list(',').pipe(z.array(httpsOrigin)),
  KEELSON_FORGES: list(',').pipe(z.array(namedForge)),
  KEELSON_CREDENTIALS_KEY: z.string().min(32, 'must be at least 32 characters').optional(),
  KEELSON_EXTRA_CA_FILE: absolutePath.optional(),
  KEELSON_GIT_AUTHOR_NAME: personName.default('Keelson'),
  KEELSON_GIT_AUTHOR_EMAIL: personEmail.default('keelson@localhost'),
  KEELSON_GIT_COMMITTER_NAME: personName.optional(),
  KEELSON_GIT_COMMITTER_EMAIL: personEmail.optional(),
  NODE_EXTRA_CA_CERTS: absolutePath.optional(),
  TEMPORAL_WEB_URL: urlOf('http:', 'https:').optional(),
  MAX_STREAMS: whole(12_000, 1, 100_000),

  DATABASE_URL: urlOf('postgres:', 'postgresql:'),
  DATABASE_POOL_SIZE: whole(10, 1, 200),
  REDIS_URL: urlOf('redis:', 'rediss:'),

  KEELSON_MODEL_KIND: z.enum(['anthropic', 'scripted']).optional(),
  KEELSON_MODEL: z.string().trim().min(1).max(200).default('claude-haiku-4-5'),
  ANTHROPIC_API_KEY: optionalText,
  ANTHROPIC_BASE_URL: modelServerUrl.optional(),
  KEELSON_CONTEXT_TOKENS: z.coerce.number().int().min(2_048).max(10_000_000).optional(),
  KEELSON_MAX_OUTPUT_TOKENS: z.coerce.number().int().min(256).max(1_000_000).optional(),
  KEELSON_FIRST_EVENT_MINUTES: z.coerce.number().positive().max(30).default(10),
  KEELSON_SILENCE_MINUTES: z.coerce.number().positive().max(30).default(5),

  SANDBOX_PROVIDER: z.enum(['local-bwrap', 'e2b', 'unsafe-host']).default('local-bwrap'),
  KEELSON_SANDBOX_USER: optionalText,
  KEELSON_MAX_COMMANDS: z.coerce.number().int().min(1).max(1_000).optional(),
  KEELSON_KEPT_MB: whole(1_024, 0, 1_000_000),
  SANDBOX_SWEEP_SECONDS: whole(300, 1, 86_400),
  SERVICE_IDLE_MINUTES: whole(60, 1, 10_080),
  KEELSON_NETWORK: z.enum(NETWORK_POLICIES).default('registries'),
  KEELSON_REGISTRIES: list(','),
  KEELSON_TOOLCHAINS: list(':').pipe(z.array(absolutePath)),
  E2B_API_KEY: optionalText,
  E2B_TEMPLATE: optionalText,
  E2B_DOMAIN: optionalText,
  E2B_API_URL: urlOf('http:', 'https:').optional(),
  E2B_SANDBOX_URL: urlOf('http:', 'https:').optional(),

  TURN_SLICE_MS: whole(2_000, 0, 60_000),
  MAX_TASKS_PER_WORKER: whole(50, 1, 1_000),
  CONTINUE_AS_NEW_AFTER_EVENTS: whole(2_000, 50, 40_000),
  KEELSON_WORKFLOW_BUNDLE: absolutePath.optional(),

  BUDGET_MAX_USD: amount(5),
  BUDGET_MAX_TURNS: whole(200, 1, 100_000),
  BUDGET_MAX_MINUTES: amount(120),
  BUDGET_WAIT_HOURS: amount(168),
  BUDGET_PROJECT_MAX_USD: optionalAmount,
  BUDGET_PROJECT_MAX_TURNS: optionalAmount,
  BUDGET_PROJECT_MAX_MINUTES: optionalAmount,
  BUDGET_DAY_MAX_USD: optionalAmount,
  BUDGET_DAY_MAX_TURNS: optionalAmount,
  BUDGET_DAY_MAX_MINUTES: optionalAmount,

  WORKER_METRICS_PORT: port,
  WORKER_TEMPORAL_METRICS_PORT: port,

  RETENTION_EVENT_DAYS: whole(30, 1, 3_650),
  RETENTION_EXEC_HOURS: whole(24, 1, 8_760),

  KEELSON_UNSAFE_HOST: flag,
  KEELSON_CRASH_POINT: optionalText,
})

/** Names of all settings that the program reads besides Temporal's own; a test compares them with `.env.example`. */
export const ENV_NAMES: readonly string[] = Object.keys(EnvSchema.shape).filter(
  (name) => name !== 'KEELSON_CRASH_POINT',
)

export interface Config {
  /** Absolute directory in which the programs keep what they must find again. */
  readonly home: string
  readonly log: { readonly level: string }
  readonly server: {
    readonly host: string
    readonly port: number
    /** Absent only on loopback. */
    readonly apiToken?: string
    readonly setupToken?: string
    /** Host names besides loopback that requests may name. */
    readonly allowedHosts: readonly string[]
    /** Addresses and subnets of proxies whose X-Forwarded headers count. */
    readonly trustedProxies: readonly string[]
    readonly projectRoots: readonly string[]
    readonly temporalWebUrl?: string
    /** Below it each preview has a host name of its own. */
    readonly previewDomain?: string
    readonly maxStreams: number
  }
  readonly git: {
    /** Origins of git hosts that may be private, such as `https://git.example.com:8443`. */
    readonly origins: readonly string[]
    /** A file in PEM with more certificate authorities than the host's own. */
    readonly extraCaFile?: string
    /** Whose names published commits and patches carry. */
    readonly author: { readonly name: string; readonly email: string }
    readonly committer: { readonly name: string; readonly email: string }
  }
  /** Services whose kind or API's address their host does not tell. */
  readonly forges: readonly {
    readonly host: string
    readonly kind: 'github' | 'gitlab' | 'gitea'
    readonly baseUrl: string
  }[]
  readonly credentials: {
    /** Seals stored credentials; absent: a key in the home does. */
    readonly key?: string
  }
  readonly temporal: ClientConnectConfig & { readonly address: string; readonly namespace: string }
  readonly database: { readonly url: string; readonly poolSize: number }
  readonly redis: { readonly url: string }
  readonly model: {
    readonly kind: 'anthropic' | 'scripted'
    readonly name: string
    readonly apiKey?: string
    readonly baseUrl?: string
    /** Another server that speaks the protocol stands at `baseUrl`: any model name may mean something there. */
    readonly isCompat: boolean
    /** What the model takes and gives at most, in tokens, when a person says so. */
    readonly limits: { readonly contextTokens?: number; readonly maxOutputTokens?: number }
    /** Longest wait for the first event of a reply from a server of one's own; absent for Anthropic's. */
    readonly firstEventTimeoutMs?: number
    /** Longest silence of such a server within a reply, in milliseconds; absent for Anthropic's. */
    readonly stallTimeoutMs?: number
  }
  readonly sandbox: {
    readonly provider: 'local-bwrap' | 'e2b' | 'unsafe-host'
    readonly sweepSeconds: number
    /** A service that nobody looks at for this long is ended. */
    readonly serviceIdleMinutes: number
    /** Whom root runs commands as. */
    readonly user?: string
    /** Commands that run at a time on this host, of all projects; left out: as many as its processors and memory serve. */
    readonly maxCommands?: number
    /** What the kept installations of a project may come to on disk; 0: none are kept. */
    readonly keptBytes: number
    readonly e2bApiKey?: string
    /** Where E2B is, when it is not at e2b.app. */
    readonly e2bDomain?: string
    readonly e2bApiUrl?: string
    readonly e2bSandboxUrl?: string
    readonly e2bTemplate?: string
  }
  readonly network: {
    /** Of projects whose environment nobody has saved. */
    readonly policy: NetworkPolicy
    /** URLs or hosts of registries besides those of this host's tools; `=` in front of the first: instead of those. */
    readonly registries: readonly string[]
    /** Directories with toolchains that commands see, besides those below /usr. */
    readonly toolchains: readonly string[]
    /** What this host's package managers are started with, to be asked for their registries. */
    readonly toolEnv: Readonly<Record<string, string>>
    /** Files with certificates that are trusted on the way out of sandboxes. */
    readonly trustedFiles: readonly string[]
  }
  readonly agent: {
    readonly turnSliceMs: number
    readonly maxTasks: number
    readonly continueAsNewAfterEvents: number
    readonly workflowBundle?: string
  }
  readonly budgets: {
    readonly maxUsd: number
    readonly maxTurns: number
    readonly maxMinutes: number
    readonly waitHours: number
    /** Of each project in all, and on each UTC day; a project may set its own. */
    readonly project: Budget
    readonly day: Budget
  }
  /** Where a worker shows its own figures and Temporal's SDK's, on loopback; absent: nowhere. */
  readonly metrics: { readonly workerPort?: number; readonly temporalPort?: number }
  /** For tests: the named instant at which the process kills itself, see shared/crash-points.ts. */
  readonly crashPoint?: string
  readonly retention: { readonly eventDays: number; readonly execHours: number }
  /** The same groups with every secret replaced, for logs. */
  toJSON(): Record<string, unknown>
}

/** Thrown by {@link loadConfig}; `message` lists every fault, one per line. */
export class ConfigError extends Error {
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(`The settings have ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n  ${faults.join('\n  ')}`)
    this.name = 'ConfigError'
    this.faults = faults
  }
}

/**
 * Reads the settings from `env` (pure: the same `env` gives the same result, except that Temporal's own configuration
 * file is read when `TEMPORAL_CONFIG_FILE` names one). Empty variables count as absent. Throws {@link ConfigError} with
 * all faults at once; a fault never repeats a value, which may be a secret. `callsModel: false` is for a process that
 * needs to know the model's name but not its key.
 */
export function loadConfig(
  env: Readonly<Record<string, string | undefined>>,
  options: { callsModel?: boolean } = {},
): Config {
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''))
  const parsed = EnvSchema.safeParse(present)
  const faults = parsed.success ? [] : parsed.error.issues.map((issue) => faultOf(issue, present))
  const temporal = readTemporal(present as Record<string, string>, faults)
  if (parsed.success) faults.push(...faultsBetween(parsed.data, options.callsModel ?? true))
  if (!parsed.success || temporal === undefined || faults.length > 0) throw new ConfigError(faults)
  return withHiddenSecrets(group(parsed.data, temporal, present as Record<string, string>))
}

/** The database's address alone, for the program that migrates it. Throws {@link ConfigError}. */
export function loadDatabaseUrl(env: Readonly<Record<string, string | undefined>>): string {
  const parsed = EnvSchema.pick({ DATABASE_URL: true }).safeParse(env)
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map((issue) => faultOf(issue, env)))
  return parsed.data.DATABASE_URL
}

/** True when only this machine can reach a server that listens on `host`. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase()
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'))
}

function isAddressOrSubnet(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/')
  const family = isIP(address)
  if (family === 0 || more.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

type Env = z.infer<typeof EnvSchema>
type Groups = Omit<Config, 'toJSON'>

function faultOf(issue: z.core.$ZodIssue, present: Readonly<Record<string, unknown>>): string {
  const name = String(issue.path[0] ?? 'environment')
  return `${name}: ${present[name] === undefined ? 'is missing' : issue.message}`
}

function faultsBetween(env: Env, callsModel: boolean): string[] {
  const faults: string[] = []
  const kind = modelKind(env)
  if (!isLoopback(env.HOST) && env.KEELSON_API_TOKEN === undefined) {
    faults.push('KEELSON_API_TOKEN: is missing, and HOST is reachable from other machines')
  }
  if (callsModel && kind === 'anthropic' && env.ANTHROPIC_API_KEY === undefined && !isCompat(env)) {
    faults.push('ANTHROPIC_API_KEY: is missing, and the model is one of Anthropic’s')
  }
  if (callsModel && kind === 'scripted' && env.ANTHROPIC_BASE_URL === undefined) {
    faults.push('ANTHROPIC_BASE_URL: is missing; set it to the scripted server, or set ANTHROPIC_API_KEY to use Claude')
  }
  if (env.SANDBOX_PROVIDER === 'e2b' && env.E2B_API_KEY === undefined) {
    faults.push('E2B_API_KEY: is missing, and SANDBOX_PROVIDER is e2b')
  }
  if (env.SANDBOX_PROVIDER === 'unsafe-host' && !env.KEELSON_UNSAFE_HOST) {
    faults.push('KEELSON_UNSAFE_HOST: must be 1 as well before SANDBOX_PROVIDER may be unsafe-host (no isolation)')
  }
  return faults
}

function modelKind(env: Env): 'anthropic' | 'scripted' {
  if (env.KEELSON_MODEL_KIND !== undefined) return env.KEELSON_MODEL_KIND
  const isNamed = env.ANTHROPIC_API_KEY !== undefined || env.ANTHROPIC_BASE_URL !== undefined
  return isNamed ? 'anthropic' : 'scripted'
}

function isOwnServer({ ANTHROPIC_BASE_URL: baseUrl }: Env): boolean {
  return baseUrl !== undefined && new URL(baseUrl).hostname !== 'api.anthropic.com'
}

function isCompat(env: Env): boolean {
  return modelKind(env) === 'anthropic' && isOwnServer(env)
}

function modelOf(env: Env): Config['model'] {
  const { KEELSON_CONTEXT_TOKENS: contextTokens, KEELSON_MAX_OUTPUT_TOKENS: maxOutputTokens } = env
  return {
    kind: modelKind(env),
    name: env.KEELSON_MODEL,
    isCompat: isCompat(env),
    limits: {
      ...(contextTokens === undefined ? {} : { contextTokens }),
      ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    },
    ...(isCompat(env)
      ? {
          firstEventTimeoutMs: Math.round(env.KEELSON_FIRST_EVENT_MINUTES * 60_000),
          stallTimeoutMs: Math.round(env.KEELSON_SILENCE_MINUTES * 60_000),
        }
      : {}),
    ...(env.ANTHROPIC_API_KEY === undefined ? {} : { apiKey: env.ANTHROPIC_API_KEY }),
    ...(env.ANTHROPIC_BASE_URL === undefined ? {} : { baseUrl: env.ANTHROPIC_BASE_URL }),
  }
}

function readTemporal(env: Record<string, string>, faults: string[]): Config['temporal'] | undefined {
  try {
    // Temporal's default file lies in the person's home directory; only a file that is named explicitly counts here.
    const loaded = loadClientConnectConfig({
      overrideEnvVars: env,
      disableFile: env['TEMPORAL_CONFIG_FILE'] === undefined,
    })
    const address = loaded.connectionOptions.address ?? 'localhost:7233'
    return { ...loaded, address, namespace: loaded.namespace ?? 'default' }
  } catch (error) {
    faults.push(`TEMPORAL_*: ${error instanceof Error ? error.message : 'cannot be read'}`)
    return undefined
  }
}

function gitOf(env: Env): Config['git'] {
  const extraCaFile = env.KEELSON_EXTRA_CA_FILE ?? env.NODE_EXTRA_CA_CERTS
  const author = { name: env.KEELSON_GIT_AUTHOR_NAME, email: env.KEELSON_GIT_AUTHOR_EMAIL }
  return {
    origins: env.KEELSON_GIT_ORIGINS,
    author,
    committer: {
      name: env.KEELSON_GIT_COMMITTER_NAME ?? author.name,
      email: env.KEELSON_GIT_COMMITTER_EMAIL ?? author.email,
    },
    ...(extraCaFile === undefined ? {} : { extraCaFile }),
  }
}

function group(env: Env, temporal: Config['temporal'], present: Readonly<Record<string, string>>): Groups {
  return {
    home: env.KEELSON_HOME,
    log: { level: env.LOG_LEVEL },
    server: {
      host: env.HOST,
      port: env.PORT,
      allowedHosts: env.KEELSON_ALLOWED_HOSTS,
      trustedProxies: env.KEELSON_TRUST_PROXY,
      projectRoots: env.KEELSON_PROJECT_ROOTS,
      maxStreams: env.MAX_STREAMS,
      ...(env.KEELSON_API_TOKEN === undefined ? {} : { apiToken: env.KEELSON_API_TOKEN }),
      ...(env.KEELSON_SETUP_TOKEN === undefined ? {} : { setupToken: env.KEELSON_SETUP_TOKEN }),
      ...(env.KEELSON_PREVIEW_DOMAIN === undefined ? {} : { previewDomain: env.KEELSON_PREVIEW_DOMAIN }),
      ...(env.TEMPORAL_WEB_URL === undefined ? {} : { temporalWebUrl: env.TEMPORAL_WEB_URL }),
    },
    git: gitOf(env),
    forges: env.KEELSON_FORGES,
    credentials: env.KEELSON_CREDENTIALS_KEY === undefined ? {} : { key: env.KEELSON_CREDENTIALS_KEY },
    temporal,
    database: { url: env.DATABASE_URL, poolSize: env.DATABASE_POOL_SIZE },
    redis: { url: env.REDIS_URL },
    model: modelOf(env),
    sandbox: {
      provider: env.SANDBOX_PROVIDER,
      sweepSeconds: env.SANDBOX_SWEEP_SECONDS,
      keptBytes: env.KEELSON_KEPT_MB * 1024 ** 2,
      serviceIdleMinutes: env.SERVICE_IDLE_MINUTES,
      ...(env.KEELSON_SANDBOX_USER === undefined ? {} : { user: env.KEELSON_SANDBOX_USER }),
      ...(env.KEELSON_MAX_COMMANDS === undefined ? {} : { maxCommands: env.KEELSON_MAX_COMMANDS }),
      ...(env.E2B_API_KEY === undefined ? {} : { e2bApiKey: env.E2B_API_KEY }),
      ...(env.E2B_DOMAIN === undefined ? {} : { e2bDomain: env.E2B_DOMAIN }),
      ...(env.E2B_API_URL === undefined ? {} : { e2bApiUrl: env.E2B_API_URL }),
      ...(env.E2B_SANDBOX_URL === undefined ? {} : { e2bSandboxUrl: env.E2B_SANDBOX_URL }),
      ...(env.E2B_TEMPLATE === undefined ? {} : { e2bTemplate: env.E2B_TEMPLATE }),
    },
    network: {
      policy: env.KEELSON_NETWORK,
      registries: env.KEELSON_REGISTRIES,
      toolchains: env.KEELSON_TOOLCHAINS,
      toolEnv: toolEnvOf(present),
      trustedFiles: trustedFilesOf(present),
    },
    agent: {
      turnSliceMs: env.TURN_SLICE_MS,
      maxTasks: env.MAX_TASKS_PER_WORKER,
      continueAsNewAfterEvents: env.CONTINUE_AS_NEW_AFTER_EVENTS,
      ...(env.KEELSON_WORKFLOW_BUNDLE === undefined ? {} : { workflowBundle: env.KEELSON_WORKFLOW_BUNDLE }),
    },
    budgets: {
      maxUsd: env.BUDGET_MAX_USD,
      maxTurns: env.BUDGET_MAX_TURNS,
      maxMinutes: env.BUDGET_MAX_MINUTES,
      waitHours: env.BUDGET_WAIT_HOURS,
      project: budgetOf(env.BUDGET_PROJECT_MAX_USD, env.BUDGET_PROJECT_MAX_TURNS, env.BUDGET_PROJECT_MAX_MINUTES),
      day: budgetOf(env.BUDGET_DAY_MAX_USD, env.BUDGET_DAY_MAX_TURNS, env.BUDGET_DAY_MAX_MINUTES),
    },
    metrics: {
      ...(env.WORKER_METRICS_PORT === undefined ? {} : { workerPort: env.WORKER_METRICS_PORT }),
      ...(env.WORKER_TEMPORAL_METRICS_PORT === undefined ? {} : { temporalPort: env.WORKER_TEMPORAL_METRICS_PORT }),
    },
    ...(env.KEELSON_CRASH_POINT === undefined ? {} : { crashPoint: env.KEELSON_CRASH_POINT }),
    retention: { eventDays: env.RETENTION_EVENT_DAYS, execHours: env.RETENTION_EXEC_HOURS },
  }
}

/** Package managers' own settings, and what any program needs to start. */
const TOOL_ENV =
  /^(PATH|HOME|USER|LOGNAME|LANG|LC_ALL|TMPDIR|XDG_\w+|(npm_config|pip|uv|poetry|go|cargo|rustup|maven|java|yarn|pnpm|bundle|gem|composer)_\w+|GO(PROXY|SUMDB|PRIVATE|NOPROXY|FLAGS)|(https?|no|all)_proxy|SSL_CERT_(FILE|DIR)|NODE_EXTRA_CA_CERTS|\w*NPM\w*TOKEN\w*)$/i
/** Where Debian, Fedora and their kin keep the public certificates. */
const SYSTEM_BUNDLES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt']

function toolEnvOf(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => TOOL_ENV.test(name)))
}

function trustedFilesOf(env: Readonly<Record<string, string>>): string[] {
  const own = [env['SSL_CERT_FILE'], env['NODE_EXTRA_CA_CERTS']].filter((file) => file !== undefined)
  return [...new Set([...SYSTEM_BUNDLES, ...own])]
}

function budgetOf(maxUsd?: number, maxTurns?: number, maxMinutes?: number): Budget {
  return {
    ...(maxUsd === undefined ? {} : { maxUsd }),
    ...(maxTurns === undefined ? {} : { maxTurns }),
    ...(maxMinutes === undefined ? {} : { maxMinutes }),
  }
}

function withHiddenSecrets(groups: Groups): Config {
  const config = Object.defineProperty({ ...groups }, 'toJSON', { value: () => hidden(groups) }) as Config
  return deepFreeze(config)
}

function hidden(groups: Groups): Record<string, unknown> {
  const { server, temporal, model, sandbox } = groups
  return {
    ...groups,
    server: { ...server, ...masked(server, 'apiToken', 'setupToken') },
    temporal: { address: temporal.address, namespace: temporal.namespace },
    database: { ...groups.database, url: withoutPassword(groups.database.url) },
    redis: { url: withoutPassword(groups.redis.url) },
    model: { ...model, ...masked(model, 'apiKey'), ...(model.baseUrl && { baseUrl: withoutPassword(model.baseUrl) }) },
    sandbox: { ...sandbox, ...masked(sandbox, 'e2bApiKey') },
    credentials: { ...groups.credentials, ...masked(groups.credentials, 'key') },
    network: { ...groups.network, ...masked(groups.network, 'registries', 'toolEnv') },
  }
}

function masked(from: object, ...names: string[]): Record<string, string> {
  return Object.fromEntries(names.filter((name) => Object.hasOwn(from, name)).map((name) => [name, '[hidden]']))
}

function withoutPassword(text: string): string {
  const url = new URL(text)
  if (url.password !== '') url.password = 'hidden'
  return url.href
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    const plain = typeof inner === 'object' && inner !== null && !ArrayBuffer.isView(inner)
    if (plain) deepFreeze(inner as object)
  }
  return Object.freeze(value)
}

/**
 * What the terminal's client reads: where the running instance left its address, whether colour is unwanted, how the
 * client is typed here, and the directory that a person started it in, which npm changes to the package's own.
 */
export function loadChatConfig(env: Readonly<Record<string, string | undefined>>): {
  home: string
  noColor: boolean
  typed: string
  directory: string
} {
  return {
    home: resolve(env['KEELSON_HOME'] || '.keelson'),
    noColor: (env['NO_COLOR'] ?? '') !== '',
    typed: env['KEELSON_TYPED'] || 'keelson chat',
    directory: resolve((env['npm_lifecycle_event'] === 'chat' && env['INIT_CWD']) || '.'),
  }
}
