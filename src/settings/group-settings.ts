/** Settings as the groups in which the program is handed them. Pure. */

import type { Budget } from '../shared/task.ts'
import type { Config } from './config-groups.ts'
import type { Env } from './env-schema.ts'

/** The groups before their secrets are hidden from logs. */
export type Groups = Omit<Config, 'toJSON'>

/** Which client serves the model: the scripted one where neither a key nor an address is set, unless it is named. */
export function modelKind(env: Env): 'anthropic' | 'scripted' {
  if (env.KEELSON_MODEL_KIND !== undefined) return env.KEELSON_MODEL_KIND
  const isNamed = env.ANTHROPIC_API_KEY !== undefined || env.ANTHROPIC_BASE_URL !== undefined
  return isNamed ? 'anthropic' : 'scripted'
}

function isOwnServer({ ANTHROPIC_BASE_URL: baseUrl }: Env): boolean {
  return baseUrl !== undefined && new URL(baseUrl).hostname !== 'api.anthropic.com'
}

/** Whether a server other than Anthropic’s speaks the protocol: it may know any model and ask for no key. */
export function isCompat(env: Env): boolean {
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

/** Puts each setting where the program looks for it; one that is left out is absent, not undefined. `present` is the environment without its empty variables. */
export function groupSettings(
  env: Env,
  temporal: Config['temporal'],
  present: Readonly<Record<string, string>>,
): Groups {
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
