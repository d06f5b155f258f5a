import { join } from 'node:path'
import { makeClosedDirectory, makePrivateDirectory } from './child.mjs'
import { closeHome } from './close-home.mjs'
import { BUILT_ENTRIES } from './entries.mjs'
import { runsOwnPostgres, runsOwnRedis, runsOwnTemporal } from './external-stores.mjs'
import { refuseForeignHome, takeOverHome } from './home-owner.mjs'
import { keepRunning } from './keep-running.mjs'
import { migrate } from './migrate.mjs'
import { chooseModel } from './model-choice.mjs'
import { migrateEnv, modelEnv, serverEnv, workerEnv } from './part-env.mjs'
import { modelPart, postgresPart, redisPart, serverPart, temporalPart, workerPart } from './parts.mjs'
import { startOf } from './process-identity.mjs'
import { openLedger, stopOrphans } from './process-ledger.mjs'
import { rotateLogs } from './rotate-logs.mjs'
import { stopSandboxRunner } from './sandbox-runner.mjs'
import { keptSecret, newSecret } from './secrets.mjs'
import { chooseServerPort, serverUrl } from './server-port.mjs'
import { StartError } from './start-error.mjs'
import { takeStartLock } from './start-lock.mjs'
import { readRunningState, removeState, writeState } from './state.mjs'
import { typed } from './typed.mjs'

const ROTATE_EVERY_MS = 60_000
const DEFAULT_MODEL = 'claude-haiku-4-5'

/**
 * @typedef {object} StackOptions
 * @property {string} home absolute; holds all data, logs and the state file
 * @property {NodeJS.ProcessEnv} settings
 * @property {import('./bootstrap.mjs').Binaries} binaries
 * @property {import('./log.mjs').Log} log
 * @property {import('./entries.mjs').Entries} [entries] the programs to run, by default those in `dist/`
 * @property {AbortSignal} [signal] ends a start that is under way
 */

/**
 * A running instance.
 *
 * @typedef {object} Stack
 * @property {() => import('./state.mjs').State} state what runs now
 * @property {string} setupUrl what a person opens once
 * @property {() => Promise<void>} stop ends all parts in reverse order; twice is safe
 */

/** @typedef {import('./keep-running.mjs').KeptPart<import('./child.mjs').Child>} AnyKeptPart */
/** @typedef {import('./state.mjs').PartName} PartName */

/**
 * Starts the stores that the user does not bring, migrates, then starts the model's stand-in if no model is
 * named (see chooseModel), the server and the worker, and keeps all of them running until `stop`. What an earlier, killed
 * supervisor left running is stopped first; its data are found again.
 *
 * Rejects with a StartError, with nothing left running, when another instance runs from this home, when it is another
 * user's or a part cannot start.
 *
 * @param {StackOptions} options
 * @returns {Promise<Stack>}
 */
export async function startStack(options) {
  const { home, log } = options
  refuseForeignHome(home)
  makePrivateDirectory(home)
  makeClosedDirectory(join(home, 'logs'))
  const lock = takeStartLock(home)
  if ('heldBy' in lock) throw alreadyRunning(home, lock.heldBy)
  const crew = createCrew(options)
  /** @type {Promise<void> | undefined} */
  let stopping
  const stop = () => {
    stopping ??= crew.stop().finally(() => {
      removeState(home)
      lock.release()
    })
    return stopping
  }
  try {
    removeState(home)
    await stopOrphans(home, log)
    takeOverHome(home)
    closeHome(home)
    rotateLogs(home)
    const instance = await startParts(options, crew)
    const state = () => ({ ...instance.state, ...processesOf(crew.pids()) })
    crew.onChange(() => writeState(home, state()))
    writeState(home, state())
    return { state, setupUrl: instance.setupUrl, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/**
 * @param {string} home
 * @param {number} holder
 * @returns {StartError}
 */
function alreadyRunning(home, holder) {
  const url = readRunningState(home)?.url
  return new StartError(
    url === undefined
      ? `Keelson is being started or stopped already (process ${holder}).`
      : `Keelson is running already at ${url} (process ${holder}); "${typed('stop')}" stops it.`,
  )
}

/**
 * The kept parts of one instance, in the order in which they were begun.
 *
 * @param {StackOptions} options
 */
function createCrew({ home, log, signal: aborted }) {
  const failed = new AbortController()
  const signal = aborted === undefined ? failed.signal : AbortSignal.any([aborted, failed.signal])
  /** @type {Map<PartName, AnyKeptPart>} */
  const parts = new Map()
  /** @type {Set<Promise<unknown>>} */
  const starting = new Set()
  let onChange = () => {}
  const rotation = setInterval(() => rotateLogs(home), ROTATE_EVERY_MS)
  rotation.unref()

  return {
    /**
     * @template {import('./child.mjs').Child} T
     * @param {import('./parts.mjs').Part<T>} part
     * @returns {Promise<T>} its first run
     */
    async keep({ name, start }) {
      const from = Date.now()
      const first = keepRunning({ name, start, onRestart: () => onChange(), log, signal })
      starting.add(first)
      try {
        const kept = await first
        parts.set(name, kept)
        log.info(`${name} runs (process ${kept.current().pid}, ${((Date.now() - from) / 1000).toFixed(1)} s)`)
        return kept.current()
      } catch (error) {
        failed.abort()
        throw error
      } finally {
        starting.delete(first)
      }
    },
    /** @param {() => void} listener called after each restart of a part */
    onChange(listener) {
      onChange = listener
    },
    /** @returns {[PartName, number][]} */
    pids: () => [...parts].map(([name, part]) => [name, part.current().pid]),
    async stop() {
      onChange = () => {}
      clearInterval(rotation)
      failed.abort()
      await Promise.allSettled(starting)
      // Users of a store end before it; the stores do not know each other.
      for (const group of STOP_GROUPS) {
        const results = await Promise.allSettled(group.flatMap((name) => parts.get(name)?.stop() ?? []))
        for (const result of results) if (result.status === 'rejected') log.warn(String(result.reason))
        if (group.includes('worker')) await stopSandboxRunner(home)
      }
    },
  }
}

/** @type {readonly (readonly PartName[])[]} */
const STOP_GROUPS = [['worker'], ['server'], ['model'], ['temporal', 'redis', 'postgres']]

/**
 * @param {readonly [PartName, number][]} pids
 * @returns {Pick<import('./state.mjs').State, 'processes' | 'starts'>}
 */
function processesOf(pids) {
  /** @type {[PartName, number][]} */
  const all = [['supervisor', process.pid], ...pids]
  return {
    processes: Object.fromEntries(all),
    starts: Object.fromEntries(all.map(([name, pid]) => [name, startOf(pid) ?? ''])),
  }
}

/**
 * @param {StackOptions} options
 * @param {ReturnType<typeof createCrew>} crew
 * @returns {Promise<{ state: Omit<import('./state.mjs').State, 'processes' | 'starts'>, setupUrl: string }>}
 */
async function startParts(options, crew) {
  const { home, settings, log, entries = BUILT_ENTRIES } = options
  const context = { home, env: settings, log, ledger: openLedger(home) }
  const host = settings['HOST'] ?? '127.0.0.1'
  const port = await chooseServerPort(settings, host)
  const url = serverUrl(host, port)
  const apiToken = settings['KEELSON_API_TOKEN'] ?? keptSecret(join(home, 'api-token'))
  const setupToken = newSecret()

  const migrated = async () => {
    const databaseUrl = await startDatabase(context, crew)
    await migrate(context, entries.migrate, migrateEnv(settings, databaseUrl))
    return databaseUrl
  }
  const [databaseUrl, redisUrl, temporal, model] = await allOrFirstFailure([
    migrated(),
    startCache(context, crew, options.binaries),
    startOrchestrator(context, crew, options.binaries),
    startModel(context, crew, entries),
  ])
  const addresses = { databaseUrl, redisUrl, temporal, model, host, port, apiToken, setupToken }
  await allOrFirstFailure([
    crew.keep(serverPart(context, entries.server, serverEnv(settings, home, addresses), url)),
    crew.keep(workerPart(context, entries.worker, workerEnv(settings, home, addresses))),
  ])
  const startedAt = new Date().toISOString()
  return {
    state: { url, apiToken, temporal, databaseUrl, redisUrl, model, startedAt },
    setupUrl: `${url}/#setup=${setupToken}`,
  }
}

/**
 * Like Promise.all, but it settles only when all have: a start that failed leaves no other start behind its back.
 *
 * @template {readonly unknown[]} T
 * @param {{ [K in keyof T]: Promise<T[K]> }} promises
 * @returns {Promise<T>}
 */
async function allOrFirstFailure(promises) {
  /** @type {{ error: unknown } | undefined} */
  let first
  const noted = promises.map((promise) =>
    promise.catch((error) => {
      first ??= { error }
    }),
  )
  const results = await Promise.all(noted)
  if (first !== undefined) throw first.error
  return /** @type {T} */ (/** @type {unknown} */ (results))
}

/**
 * @param {import('./parts.mjs').PartContext} context
 * @param {ReturnType<typeof createCrew>} crew
 * @returns {Promise<string>}
 */
async function startDatabase(context, crew) {
  if (!runsOwnPostgres(context.env)) return context.env['DATABASE_URL'] ?? ''
  return (await crew.keep(await postgresPart(context))).url
}

/**
 * @param {import('./parts.mjs').PartContext} context
 * @param {ReturnType<typeof createCrew>} crew
 * @param {import('./bootstrap.mjs').Binaries} binaries
 * @returns {Promise<string>}
 */
async function startCache(context, crew, binaries) {
  if (!runsOwnRedis(context.env) || binaries.redis === undefined) return context.env['REDIS_URL'] ?? ''
  return (await crew.keep(await redisPart(context, binaries.redis))).url
}

/**
 * @param {import('./parts.mjs').PartContext} context
 * @param {ReturnType<typeof createCrew>} crew
 * @param {import('./bootstrap.mjs').Binaries} binaries
 * @returns {Promise<import('./state.mjs').State['temporal']>}
 */
async function startOrchestrator(context, crew, binaries) {
  const namespace = context.env['TEMPORAL_NAMESPACE']
  if (!runsOwnTemporal(context.env) || binaries.temporal === undefined) {
    return { address: context.env['TEMPORAL_ADDRESS'], namespace: namespace ?? 'default' }
  }
  const running = await crew.keep(await temporalPart(context, binaries.temporal, namespace ?? 'keelson'))
  return { address: running.address, namespace: running.namespace, webUrl: running.webUrl }
}

/**
 * @param {import('./parts.mjs').PartContext} context
 * @param {ReturnType<typeof createCrew>} crew
 * @param {import('./entries.mjs').Entries} entries
 * @returns {Promise<import('./state.mjs').State['model']>}
 */
async function startModel(context, crew, entries) {
  const { env } = context
  const name = env['KEELSON_MODEL'] ?? DEFAULT_MODEL
  const chosen = chooseModel(env)
  if (chosen.kind === 'anthropic') return { ...chosen, name }
  const running = await crew.keep(await modelPart(context, entries.model, modelEnv(env)))
  return { kind: 'scripted', name, baseUrl: running.baseUrl }
}
