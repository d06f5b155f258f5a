// What would have to change to turn a database (or nothing) into what schema.prisma says, as SQL. Used to write a new
// migration and by the test that keeps schema and migrations in step. Runs Prisma's schema engine as WebAssembly, so
// nothing is downloaded. `node prisma/diff.mjs` compares with $DATABASE_URL, `node prisma/diff.mjs --empty` with nothing.

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'

const schemaUrl = new URL('./schema.prisma', import.meta.url)

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

/**
 * SQL that turns `from` into the schema; an empty script when there is nothing to do.
 *
 * @param {string} databaseUrl a reachable Postgres; only read
 * @param {'database' | 'empty'} from
 * @returns {Promise<string>}
 */
export async function diffSchema(databaseUrl, from) {
  const { SchemaEngine } = await loadEngine()
  const adapter = bindMigrationAwareSqlAdapterFactory(new PrismaPg({ connectionString: databaseUrl }))
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
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const url = process.env['DATABASE_URL']
  if (!url) throw new Error('set DATABASE_URL to a Postgres that may be read')
  process.stdout.write(await diffSchema(url, process.argv.includes('--empty') ? 'empty' : 'database'))
}
