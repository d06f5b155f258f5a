import pg from 'pg'

/** The rows of one statement over a connection of its own. A lost connection fails the statement and nothing else. */
export async function queryOnce<Row extends object>(
  url: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000, query_timeout: 60_000 })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<Row>({ text: sql, values: [...values] })).rows
  } finally {
    await client.end().catch(() => undefined)
  }
}
