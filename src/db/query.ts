import { type Db, toDbError } from './client.ts'

/** A statement by its text, or by a name as well: what runs often has one, so that each connection prepares it once. */
export type QueryText = string | { readonly name: string; readonly text: string }

/**
 * The rows of one statement outside of a transaction, as Postgres gives them. Throws `store_unavailable` (retryable) when
 * Postgres is away; any other failure is a defect and thrown as it is.
 */
export async function query<Row extends object>(
  db: Db,
  statement: QueryText,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const named = typeof statement === 'string' ? { text: statement } : statement
  try {
    return (await db.pool.query<Row>({ ...named, values: [...values] })).rows
  } catch (error) {
    throw toDbError(error)
  }
}
