import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'

/**
 * One hash over the names and contents of files and directories: equal hashes mean that nothing needs to be built
 * again. What does not exist counts as empty.
 *
 * @param {string} root names count relative to it
 * @param {readonly string[]} paths relative to root
 * @param {(path: string) => boolean} [isIncluded] by path relative to root
 * @returns {string}
 */
export function hashOf(root, paths, isIncluded = () => true) {
  const hash = createHash('sha256')
  for (const path of paths.flatMap((one) => filesIn(join(root, one))).sort()) {
    const name = relative(root, path)
    if (!isIncluded(name)) continue
    const content = readFileSync(path)
    hash.update(`${name}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex')
}

/**
 * @param {string} path
 * @returns {string[]} all files below it, or itself
 */
export function filesIn(path) {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return []
  if (stat.isFile()) return [path]
  if (!stat.isDirectory()) return []
  return readdirSync(path).flatMap((name) => filesIn(join(path, name)))
}
