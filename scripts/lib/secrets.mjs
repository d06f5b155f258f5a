import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { writeAtomically } from './write-atomically.mjs'

/** @returns {string} 256 bits of chance, safe in a URL */
export function newSecret() {
  return randomBytes(32).toString('base64url')
}

/**
 * A secret that stays the same across starts, in a file that only its owner can read.
 *
 * @param {string} file
 * @returns {string}
 */
export function keptSecret(file) {
  if (existsSync(file)) {
    chmodSync(file, 0o600)
    const secret = readFileSync(file, 'utf8').trim()
    if (secret !== '') return secret
  }
  const secret = newSecret()
  writeAtomically(file, `${secret}\n`)
  return secret
}
