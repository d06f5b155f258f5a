import { type Db, toDbError } from './client.ts'

/** The rows of one statement outside of a transaction. Throws what {@link toDbError} makes of a failure. */
export async function rowsOf<Row extends object>(db: Db, text: string, values: readonly unknown[]): Promise<Row[]> {
  try {
    return (await db.pool.query<Row>(text, [...values])).rows
  } catch (error) {
    throw toDbError(error)
  }
}
