import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client, Connection } from '@temporalio/client'
import pg from 'pg'
import { BUILT_ENTRIES } from '../../scripts/lib/entries.mjs'
import { SILENT } from '../../scripts/lib/log.mjs'
import { freePort } from '../../scripts/lib/ports.mjs'
import { isPartAlive, type PartName, type State } from '../../scripts/lib/state.mjs'
import { type Stack, startStack } from '../../scripts/lib/supervisor.mjs'
import { ApiClient } from './api.ts'
import { ModelAdmin } from './model-admin.ts'
import { waitFor } from './wait-for.ts'

const SCRIPTED_MODEL = [
  '--import',
  import.meta.resolve('tsx'),
  fileURLToPath(new URL('./scripted-model.ts', import.meta.url)),
]
const RESTART_MS = 60_000

export interface StackSettings {
  /** Added to an environment that holds nothing but the PATH. */
  readonly settings?: NodeJS.ProcessEnv
  /** The scripted model as it is delivered, which keeps no bodies and plays no lists. */
  readonly deliveredModel?: boolean
  /** A home that is there already; default a new one. Removed by `stop` as well. */
  readonly home?: string
}

/** A whole private instance: its own home, stores and ports, all of it real. */
export class TestStack {
  readonly home: string
  readonly api = new ApiClient(() => this.state())
  readonly model = new ModelAdmin(() => this.state().model.baseUrl)
  readonly #options: StackSettings
  #port: number | undefined
  #stack: Stack | undefined
  #pool: pg.Pool | undefined
  #temporal: { connection: Connection; client: Client } | undefined

  constructor(options: StackSettings = {}) {
    this.#options = options
    this.home = options.home ?? mkdtempSync(join(tmpdir(), 'keelson-e2e-'))
  }

  state(): State {
    if (this.#stack === undefined) throw new Error('the stack does not run')
    return this.#stack.state()
  }

  /** The link that signs a browser in, once. */
  get setupUrl(): string {
    if (this.#stack === undefined) throw new Error('the stack does not run')
    return this.#stack.setupUrl
  }

  async start(): Promise<this> {
    const redis = process.env['KEELSON_TEST_REDIS_BINARY'] ?? 'redis-server'
    const temporal = process.env['KEELSON_TEST_TEMPORAL_BINARY'] ?? 'temporal'
    const { settings = {}, deliveredModel = false } = this.#options
    // The product's own choice begins at 3000 for every instance, so that two that start at once could meet there.
    this.#port ??= await freePort()
    this.#stack = await startStack({
      home: this.home,
      // Asking this machine's package managers takes seconds of CPU: tests that need a registry say so.
      settings: { PATH: process.env['PATH'], PORT: String(this.#port), KEELSON_REGISTRIES: '=', ...settings },
      binaries: { redis, temporal },
      log: SILENT,
      entries: deliveredModel ? BUILT_ENTRIES : { ...BUILT_ENTRIES, model: SCRIPTED_MODEL },
    })
    return this
  }

  /** Ends everything as Ctrl-C does; the data stay for another `start`. */
  async halt(): Promise<void> {
    this.api.close()
    await Promise.all([this.#pool?.end(), this.#temporal?.connection.close()])
    this.#pool = undefined
    this.#temporal = undefined
    await this.#stack?.stop()
    this.#stack = undefined
  }

  /** Ends everything and removes the data. */
  async stop(): Promise<void> {
    await this.halt()
    rmSync(this.home, { recursive: true, force: true })
  }

  /** kill -9; resolves when the process is gone. */
  async kill(part: PartName): Promise<void> {
    const before = this.state()
    process.kill(before.processes[part] ?? 0, 'SIGKILL')
    await waitFor(() => !isPartAlive(before, part), `${part} is gone`)
  }

  /** kill -9; resolves when the supervisor has started it again. */
  async killAndAwait(part: PartName): Promise<void> {
    const before = this.state().processes[part]
    await this.kill(part)
    await waitFor(
      () => this.state().processes[part] !== before && isPartAlive(this.state(), part),
      `${part} runs again`,
      RESTART_MS,
    )
  }

  async query<T extends pg.QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<T[]> {
    if (this.#pool === undefined) {
      this.#pool = new pg.Pool({ connectionString: this.state().databaseUrl, max: 2 })
      // An idle connection that a restart ended; the next query opens another.
      this.#pool.on('error', () => undefined)
      this.#pool.on('connect', (client) => client.on('error', () => undefined))
    }
    return (await this.#pool.query<T>(sql, [...values])).rows
  }

  /** How many rows each table that a message fills has, to show that nothing was stored. */
  async rowCounts(): Promise<Record<string, number>> {
    const tables = ['projects', 'conversations', 'messages', 'tasks', 'events', 'outbox']
    const parts = tables.map((table) => `SELECT '${table}' AS name, count(*)::int AS count FROM ${table}`)
    const rows = await this.query<{ name: string; count: number }>(parts.join(' UNION ALL '))
    return Object.fromEntries(rows.map(({ name, count }) => [name, count]))
  }

  async temporal(): Promise<Client> {
    if (this.#temporal === undefined) {
      const { address = '', namespace } = this.state().temporal
      const connection = await Connection.connect({ address })
      this.#temporal = { connection, client: new Client({ connection, namespace }) }
    }
    return this.#temporal.client
  }
}
