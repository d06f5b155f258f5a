import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { writeAtomically } from './write-atomically.mjs'

const SHRINKWRAP = 'npm-shrinkwrap.json'

/**
 * Writes the lockfile of an installed package: package-lock.json without what only a checkout needs.
 *
 * @param {string} root
 */
export function writeShrinkwrap(root) {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  writeAtomically(join(root, SHRINKWRAP), `${JSON.stringify(shrinkwrapOf(lock), null, 2)}\n`)
}

/**
 * Removes what an interrupted `npm pack` left: npm would take it for the checkout's own lockfile. Safe to repeat.
 *
 * @param {string} root
 */
export function removeShrinkwrap(root) {
  rmSync(join(root, SHRINKWRAP), { force: true })
}

/**
 * @typedef {{ dev?: boolean, devOptional?: boolean, devDependencies?: unknown }} LockedEntry
 * @param {{ packages: Record<string, LockedEntry> }} lock
 */
export function shrinkwrapOf(lock) {
  const kept = Object.entries(lock.packages).filter(([, entry]) => entry.dev !== true && entry.devOptional !== true)
  const packages = kept.map(([path, entry]) => {
    const { devDependencies: _, ...rest } = entry
    return /** @type {const} */ ([path, rest])
  })
  return { ...lock, packages: Object.fromEntries(packages) }
}
