import { readdirSync } from 'node:fs'
import { isMissing } from './job-files.ts'

/** The names in a directory of this host, none when it is not there. Throws what the file system throws otherwise. */
export function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}
