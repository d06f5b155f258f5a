/**
 * The only reader of the environment. {@link loadConfig} turns it into one frozen object in groups; everything else in
 * the program receives values.
 */

import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { loadClientConnectConfig } from '@temporalio/envconfig'
import type { z } from 'zod'
import type { Config } from './settings/config-groups.ts'
import { type Env, EnvSchema } from './settings/env-schema.ts'
import { groupSettings, isCompat, modelKind } from './settings/group-settings.ts'
import { withHiddenSecrets } from './settings/hide-secrets.ts'

/** Names of all settings that the program reads besides Temporal's own; a test compares them with `.env.example`. */
export const ENV_NAMES: readonly string[] = Object.keys(EnvSchema.shape).filter(
  (name) => name !== 'KEELSON_CRASH_POINT',
)

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
  return withHiddenSecrets(groupSettings(parsed.data, temporal, present as Record<string, string>))
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
