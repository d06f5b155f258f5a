/** The rows of a recorded home's database, as text that any Postgres takes. */

import pg from 'pg'

export interface DatabaseRows {
  /** By table; each row as Postgres' own JSON, so that no number or byte passes through JavaScript. */
  readonly tables: Readonly<Record<string, readonly string[]>>
  /** The last value of each. */
  readonly sequences: Readonly<Record<string, string>>
}

const TABLES = `SELECT c.relname AS name FROM pg_class c
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY 1`
const SEQUENCES = `SELECT sequencename AS name, last_value::text AS value FROM pg_sequences
  WHERE schemaname = 'public' AND last_value IS NOT NULL ORDER BY 1`
const TIMES = `SELECT table_name AS "table", column_name AS "column" FROM information_schema.columns
  WHERE table_schema = 'public' AND data_type LIKE 'timestamp%' AND is_generated = 'NEVER'`

async function connected<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Reads all rows; nobody may be writing. */
export async function readRows(url: string): Promise<DatabaseRows> {
  return await connected(url, async (client) => {
    const names = (await client.query<{ name: string }>(TABLES)).rows.map(({ name }) => name)
    const tables: Record<string, string[]> = {}
    for (const name of names) {
      const { rows } = await client.query<{ row: string }>(`SELECT row_to_json(t)::text AS row FROM "${name}" t`)
      tables[name] = rows.map(({ row }) => row)
    }
    const { rows } = await client.query<{ name: string; value: string }>(SEQUENCES)
    return { tables, sequences: Object.fromEntries(rows.map(({ name, value }) => [name, value])) }
  })
}

/**
 * Puts the rows into their tables, which are there already, and moves all times by `shiftMs`, so that a home that was
 * recorded long ago stopped a moment ago. `url` opens the database as a superuser.
 */
export async function writeRows(url: string, { tables, sequences }: DatabaseRows, shiftMs: number): Promise<void> {
  await connected(url, async (client) => {
    // Rows come table by table: what one refers to may follow.
    await client.query("SET session_replication_role = 'replica'")
    for (const [name, rows] of Object.entries(tables)) {
      await client.query(`DELETE FROM "${name}"`)
      for (const row of rows) {
        await client.query(`INSERT INTO "${name}" SELECT * FROM json_populate_record(null::"${name}", $1::json)`, [row])
      }
    }
    for (const { table, column } of (await client.query<{ table: string; column: string }>(TIMES)).rows) {
      await client.query(`UPDATE "${table}" SET "${column}" = "${column}" + make_interval(secs => $1)`, [
        shiftMs / 1000,
      ])
    }
    for (const [name, value] of Object.entries(sequences)) {
      await client.query('SELECT setval($1::regclass, $2::bigint)', [`"${name}"`, value])
    }
  })
}
