import pg from 'pg'

export interface StatementCount {
  /** Texts that were sent to Postgres, several statements in one counting once. */
  readonly statements: number
  readonly transactions: number
}

/**
 * Runs `work` and counts what this process sends to Postgres meanwhile, over every connection. One at a time in a process.
 * A statement outside of a transaction is one by itself.
 */
export async function countStatements<T>(work: () => Promise<T>): Promise<StatementCount & { readonly result: T }> {
  const counted = { statements: 0, transactions: 0 }
  const within = new WeakSet<object>()
  const { query } = pg.Client.prototype
  const counting = function (this: pg.Client, ...args: Parameters<typeof query>) {
    const [first] = args as unknown[]
    const text = typeof first === 'string' ? first : ((first as { text?: string } | undefined)?.text ?? '')
    counted.statements += 1
    if (text.startsWith('BEGIN')) {
      within.add(this)
      counted.transactions += 1
    } else if (!within.has(this)) counted.transactions += 1
    if (/^(COMMIT|ROLLBACK)/.test(text)) within.delete(this)
    return query.apply(this, args)
  }
  Object.assign(pg.Client.prototype, { query: counting })
  try {
    return { result: await work(), ...counted }
  } finally {
    Object.assign(pg.Client.prototype, { query })
  }
}
