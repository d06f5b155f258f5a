import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeAtomically } from './write-atomically.mjs'

const MANIFEST = 'package.json'
const SHRINKWRAP = 'npm-shrinkwrap.json'
/** Where the checkout's own manifest is while the package's stands in its place. */
const KEPT_MANIFEST = join('node_modules', '.keelson-manifest')

/**
 * Makes a checkout, for the time of one `npm pack`, into what is packed: its manifest names every package of
 * package-lock.json in its exact version, and `npm-shrinkwrap.json` says the same. npm reads the second only of packages
 * that come from a registry; one that is installed from an archive has the first alone.
 *
 * @param {string} root
 */
export function lockPackage(root) {
  unlockPackage(root)
  const text = readFileSync(join(root, MANIFEST), 'utf8')
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const { devDependencies: _, ...manifest } = JSON.parse(text)
  const locked = { ...manifest, dependencies: pinnedDependencies(lock) }
  writeAtomically(join(root, KEPT_MANIFEST), text)
  writeFileSync(join(root, MANIFEST), `${JSON.stringify(locked, null, 2)}\n`)
  writeAtomically(join(root, SHRINKWRAP), `${JSON.stringify(shrinkwrapOf(lock), null, 2)}\n`)
}

/**
 * Makes it a checkout again, also after an `npm pack` that was cut off. Safe to repeat.
 *
 * @param {string} root
 */
export function unlockPackage(root) {
  const kept = join(root, KEPT_MANIFEST)
  if (existsSync(kept)) writeFileSync(join(root, MANIFEST), readFileSync(kept))
  for (const file of [SHRINKWRAP, KEPT_MANIFEST]) rmSync(join(root, file), { force: true })
}

/**
 * @typedef {{ version?: string, dev?: boolean, devOptional?: boolean, optional?: boolean, devDependencies?: unknown }} LockedEntry
 * @typedef {{ packages: Record<string, LockedEntry> }} Lock
 */

/**
 * What stands at the top of `node_modules`, in the locked versions. Those for other platforms stay the business of the
 * packages that ask for them, which name exact versions themselves. Pure.
 *
 * @param {Lock} lock
 * @returns {Record<string, string>}
 */
export function pinnedDependencies(lock) {
  const pins = Object.entries(lock.packages).flatMap(([path, entry]) => {
    const name = path.replace(/^node_modules\//, '')
    const isNeeded = entry.dev !== true && entry.devOptional !== true && entry.optional !== true
    const isTop = path !== '' && !name.includes('node_modules/')
    return isNeeded && isTop && entry.version !== undefined ? [/** @type {const} */ ([name, entry.version])] : []
  })
  return Object.fromEntries(pins)
}

/**
 * The lockfile of the package: the checkout's without what only a checkout needs. Pure.
 *
 * @param {Lock} lock
 */
export function shrinkwrapOf(lock) {
  const kept = Object.entries(lock.packages).filter(([, entry]) => entry.dev !== true && entry.devOptional !== true)
  const packages = kept.map(([path, entry]) => {
    const { devDependencies: _, ...rest } = entry
    const own = path === '' ? { ...rest, dependencies: pinnedDependencies(lock) } : rest
    return /** @type {const} */ ([path, own])
  })
  return { ...lock, packages: Object.fromEntries(packages) }
}
