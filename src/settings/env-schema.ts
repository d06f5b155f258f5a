/** All settings that the program reads besides Temporal's own, with their defaults and bounds: a name, a form. */

import { resolve } from 'node:path'
import { z } from 'zod'
import { NETWORK_POLICIES } from '../shared/network.ts'
import {
  absolutePath,
  amount,
  domainName,
  flag,
  httpsOrigin,
  modelServerUrl,
  namedForge,
  optionalAmount,
  optionalText,
  personEmail,
  personName,
  port,
  proxyAddress,
  separatedList,
  urlOf,
  wholeNumber,
} from './value-forms.ts'

/** Each setting under its name in the environment. Values are text there; the forms make numbers and lists of them. */
export const EnvSchema = z.object({
  KEELSON_HOME: absolutePath.default(() => resolve('.keelson')),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),

  HOST: z.string().trim().min(1).default('127.0.0.1'),
  PORT: wholeNumber(3000, 0, 65_535),
  KEELSON_API_TOKEN: z.string().min(16, 'must be at least 16 characters').optional(),
  KEELSON_SETUP_TOKEN: z.string().min(16, 'must be at least 16 characters').optional(),
  KEELSON_ALLOWED_HOSTS: separatedList(','),
  KEELSON_PREVIEW_DOMAIN: domainName.optional(),
  KEELSON_TRUST_PROXY: separatedList(',')
    .pipe(z.array(proxyAddress))
    .transform((all) => all.flat()),
  KEELSON_PROJECT_ROOTS: separatedList(':').pipe(z.array(absolutePath)),
  KEELSON_GIT_ORIGINS: separatedList(',').pipe(z.array(httpsOrigin)),
  KEELSON_FORGES: separatedList(',').pipe(z.array(namedForge)),
  KEELSON_CREDENTIALS_KEY: z.string().min(32, 'must be at least 32 characters').optional(),
  KEELSON_EXTRA_CA_FILE: absolutePath.optional(),
  KEELSON_GIT_AUTHOR_NAME: personName.default('Keelson'),
  KEELSON_GIT_AUTHOR_EMAIL: personEmail.default('keelson@localhost'),
  KEELSON_GIT_COMMITTER_NAME: personName.optional(),
  KEELSON_GIT_COMMITTER_EMAIL: personEmail.optional(),
  NODE_EXTRA_CA_CERTS: absolutePath.optional(),
  TEMPORAL_WEB_URL: urlOf('http:', 'https:').optional(),
  MAX_STREAMS: wholeNumber(12_000, 1, 100_000),

  DATABASE_URL: urlOf('postgres:', 'postgresql:'),
  DATABASE_POOL_SIZE: wholeNumber(10, 1, 200),
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
  KEELSON_KEPT_MB: wholeNumber(1_024, 0, 1_000_000),
  SANDBOX_SWEEP_SECONDS: wholeNumber(300, 1, 86_400),
  SERVICE_IDLE_MINUTES: wholeNumber(60, 1, 10_080),
  KEELSON_NETWORK: z.enum(NETWORK_POLICIES).default('registries'),
  KEELSON_REGISTRIES: separatedList(','),
  KEELSON_TOOLCHAINS: separatedList(':').pipe(z.array(absolutePath)),
  E2B_API_KEY: optionalText,
  E2B_TEMPLATE: optionalText,
  E2B_DOMAIN: optionalText,
  E2B_API_URL: urlOf('http:', 'https:').optional(),
  E2B_SANDBOX_URL: urlOf('http:', 'https:').optional(),

  TURN_SLICE_MS: wholeNumber(2_000, 0, 60_000),
  MAX_TASKS_PER_WORKER: wholeNumber(50, 1, 1_000),
  CONTINUE_AS_NEW_AFTER_EVENTS: wholeNumber(2_000, 50, 40_000),
  KEELSON_WORKFLOW_BUNDLE: absolutePath.optional(),

  BUDGET_MAX_USD: amount(5),
  BUDGET_MAX_TURNS: wholeNumber(200, 1, 100_000),
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

  RETENTION_EVENT_DAYS: wholeNumber(30, 1, 3_650),
  RETENTION_EXEC_HOURS: wholeNumber(24, 1, 8_760),

  KEELSON_UNSAFE_HOST: flag,
  KEELSON_CRASH_POINT: optionalText,
})

/** The settings after their forms were applied: defaults are in. */
export type Env = z.infer<typeof EnvSchema>
