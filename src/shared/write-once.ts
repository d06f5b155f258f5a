import { randomBytes } from 'node:crypto'
import { existsSync, linkSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'

/** Writes a file unless there is one, and returns what it then holds: the same for all who call at once. Mode 0600. */
export function writeOnce(file: string, text: () => string): string {
  if (!existsSync(file)) {
    const fresh = `${file}.${randomBytes(6).toString('hex')}`
    writeFileSync(fresh, text(), { mode: 0o600 })
    try {
      linkSync(fresh, file)
    } catch (error) {
      // Another process was first; what it wrote holds.
      if (!existsSync(file)) throw error
    } finally {
      unlinkSync(fresh)
    }
  }
  return readFileSync(file, 'utf8')
}
