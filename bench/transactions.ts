import pg from 'pg'

export interface WritesCounter {
  /** Runs `work` and says how many transactions wrote something meanwhile, in the whole of this Postgres. */
  of<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly count: number }>
  close(): Promise<void>
}

/** Counts by Postgres's own numbers: each transaction that writes gets the next one, and so does each look at them. */
export async function writesCounter(databaseUrl: string): Promise<WritesCounter> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  const next = async (): Promise<number> => {
    const { rows } = await client.query<{ id: string }>('SELECT pg_current_xact_id()::text AS id')
    return Number(rows[0]?.id)
  }
  return {
    async of(work) {
      const before = await next()
      const result = await work()
      return { result, count: (await next()) - before - 1 }
    },
    close: () => client.end(),
  }
}
