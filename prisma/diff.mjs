// What would have to change to turn a database (or nothing) into what schema.prisma says, as SQL. Used to write a new
// migration and by the test that keeps schema and migrations in step. Runs Prisma's schema engine as WebAssembly, so
// nothing is downloaded. `node prisma/diff.mjs` compares with $DATABASE_URL, `node prisma/diff.mjs --empty` with nothing.

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils'
import pg from 'pg'

const schemaUrl = new URL('./schema.prisma', import.meta.url)

/** @type {Promise<typeof import('@prisma/schema-engine-wasm')> | undefined} */
let engineModule

/** @returns {Promise<typeof import('@prisma/schema-engine-wasm')>} */
async function loadEngine() {
  // Node 20 cannot import .wasm files, so the module is instantiated by hand, as the package's entry would do it.
  const require = createRequire(import.meta.url)
  const glue = await import(pathToFileURL(require.resolve('@prisma/schema-engine-wasm/schema_engine_bg')).href)
  const wasmPath = require.resolve('@prisma/schema-engine-wasm/schema_engine_bg').replace(/\.js$/, '.wasm')
  // Looked up by name because the compiler knows WebAssembly only together with the browser's types.
  const { instantiate } = Reflect.get(globalThis, 'WebAssembly')
  const { instance } = await instantiate(await readFile(wasmPath), { './schema_engine_bg.js': glue })
  glue.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()
  return glue
}

const CHAR_OID = 18
const TEXT_OID = 25

/**
 * An adapter over `pool` that knows the type "char": the engine reads such columns of the catalogue, and the adapter
 * refuses them. They pass the adapter as text and get their type back afterwards.
 *
 * @param {pg.Pool} pool
 */
function createAdapterFactory(pool) {
  /** @type {WeakMap<object, number[]>} */
  const charColumns = new WeakMap()
  const query = pool.query.bind(pool)
  Reflect.set(pool, 'query', async (/** @type {pg.QueryArrayConfig} */ config) => {
    const result = await query(config)
    const columns = result.fields.flatMap((field, index) => (field.dataTypeID === CHAR_OID ? [index] : []))
    for (const field of result.fields) if (field.dataTypeID === CHAR_OID) field.dataTypeID = TEXT_OID
    charColumns.set(result.rows, columns)
    return result
  })
  const factory = new PrismaPg(pool)
  const connect = factory.connect.bind(factory)
  factory.connect = async () => {
    const adapter = await connect()
    const queryRaw = adapter.queryRaw.bind(adapter)
    adapter.queryRaw = async (asked) => {
      const result = await queryRaw(asked)
      for (const index of charColumns.get(result.rows) ?? []) result.columnTypes[index] = ColumnTypeEnum.Character
      return result
    }
    return adapter
  }
  return bindMigrationAwareSqlAdapterFactory(factory)
}

/**
 * SQL that turns `from` into the schema; an empty script when there is nothing to do.
 *
 * @param {string} databaseUrl a reachable Postgres; only read
 * @param {'database' | 'empty'} from
 * @returns {Promise<string>}
 */
export async function diffSchema(databaseUrl, from) {
  // A second instance would share the module's views of the first one's memory.
  engineModule ??= loadEngine()
  const { SchemaEngine } = await engineModule
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 1 })
  // A lost connection fails the query under way, which says so.
  pool.on('error', () => undefined)
  const adapter = createAdapterFactory(pool)
  const content = await readFile(schemaUrl, 'utf8')
  const files = [{ path: 'schema.prisma', content }]
  const engine = await SchemaEngine.new({ datamodels: [['schema.prisma', content]] }, () => {}, adapter)
  try {
    const result = await engine.diff({
      from: from === 'empty' ? { tag: 'empty' } : { tag: 'schemaDatasource', files, configDir: '.' },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      exitCode: null,
      filters: { externalTables: [], externalEnums: [] },
    })
    return result.stdout ?? ''
  } finally {
    engine.free()
    await pool.end()
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const url = process.env['DATABASE_URL']
  if (!url) throw new Error('set DATABASE_URL to a Postgres that may be read')
  process.stdout.write(await diffSchema(url, process.argv.includes('--empty') ? 'empty' : 'database'))
}
