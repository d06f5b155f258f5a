import pg from 'pg'

const MAX_HELD = 300
const MAX_ROUNDS = 5

/**
 * Takes every connection that Postgres gives, those of the product included: its sessions are ended and their places
 * taken before it comes back for them. The result lets go of all.
 */
export async function holdAllConnections(url: string): Promise<() => Promise<void>> {
  const held: pg.Client[] = []
  const first = await open(url)
  if (first === null) throw new Error('Postgres gives no connection at all')
  held.push(first)
  await takeFree(url, held)
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { rows } = await first.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'keelson-%' AND pid <> pg_backend_pid()`,
    )
    if (rows.length === 0) break
    for (const { pid } of rows) await first.query('SELECT pg_terminate_backend($1)', [pid])
    await takeFree(url, held)
  }
  return async () => {
    await Promise.all(held.map((client) => client.end().catch(() => undefined)))
  }
}

async function takeFree(url: string, held: pg.Client[]): Promise<void> {
  while (held.length < MAX_HELD) {
    const client = await open(url)
    if (client === null) return
    held.push(client)
  }
}

/** Null when Postgres has no connection left. */
async function open(url: string): Promise<pg.Client | null> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return client
  } catch (error) {
    if ((error as { code?: string }).code === '53300') return null
    throw error
  }
}
