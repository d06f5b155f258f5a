/** The process that brings the database in $DATABASE_URL up to date, says on one line what it applied, and ends. */

import { loadDatabaseUrl } from '../config.ts'
import { migrate } from '../db/migrate.ts'

const applied = await migrate(loadDatabaseUrl(process.env))
process.stdout.write(`${JSON.stringify({ applied })}\n`)
