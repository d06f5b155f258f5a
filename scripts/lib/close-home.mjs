import { chmodSync, existsSync, lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** What of a home is ours to close; Postgres closes its own directory, and programs in `bin` hold no secret. */
const CLOSED = ['logs', 'redis', 'temporal']
/** These directories are flat and hold few files; more than this is not ours. */
const MAX_ENTRIES = 10_000

/**
 * Takes over a home that an earlier version made: what lay open to other users of the machine is closed to them. Only
 * modes change; links are left alone. Safe to repeat. Call it before any part runs.
 *
 * @param {string} home
 */
export function closeHome(home) {
  for (const entry of readdirSync(home, { withFileTypes: true })) {
    if (entry.isFile()) closeToOthers(join(home, entry.name))
  }
  for (const name of CLOSED) closeTree(join(home, name), { left: MAX_ENTRIES })
  const password = join(home, 'postgres', 'password')
  if (existsSync(password)) closeToOthers(password)
}

/**
 * @param {string} path
 * @param {{ left: number }} budget
 */
function closeTree(path, budget) {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined || budget.left-- <= 0) return
  if (stat.isFile()) closeToOthers(path)
  if (!stat.isDirectory()) return
  chmodSync(path, 0o700)
  for (const name of readdirSync(path)) closeTree(join(path, name), budget)
}

/** @param {string} file */
function closeToOthers(file) {
  const { mode } = lstatSync(file)
  if ((mode & 0o077) !== 0) chmodSync(file, mode & 0o700)
}
