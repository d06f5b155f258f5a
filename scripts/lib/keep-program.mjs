import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Puts a downloaded program into the directory of our own programs, as a whole or not at all.
 *
 * @param {string} directory
 * @param {string} name
 * @param {Buffer} content
 * @returns {string} its path
 */
export function keepProgram(directory, name, content) {
  mkdirSync(directory, { recursive: true })
  const path = join(directory, name)
  const temporary = `${path}.${process.pid}.new`
  writeFileSync(temporary, content, { mode: 0o755 })
  chmodSync(temporary, 0o755)
  renameSync(temporary, path)
  return path
}

/**
 * @param {Buffer} content
 * @returns {string} hexadecimal
 */
export function sha256(content) {
  return createHash('sha256').update(content).digest('hex')
}
