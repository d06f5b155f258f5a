/** What set-ups installed, as the host sees it: one directory an installation, which is there whole or not at all. */

import { existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import type { KeptInstallations } from '../types.ts'
import { isMissing } from './job-files.ts'
import { KEPT, keptDir } from './layout.ts'

const KEY = /^[0-9a-f]{64}$/
/** Longer than this no installation is kept: packages that nothing pins would stay at old versions for ever. */
const MAX_AGE_MS = 14 * 24 * 3_600_000
/** What is still written after this long was left by a command that was killed. */
const MAX_WRITING_MS = 3_600_000

/** Those of a directory of sandboxes; a project's may come to `maxBytes`. */
export function keptInstallations(dir: string, maxBytes: number): KeptInstallations {
  return {
    dir: KEPT,
    maxBytes,
    has(projectId, key) {
      if (!KEY.test(key)) throw new AppError('sandbox_bad_request', 'key must be 64 hexadecimal digits')
      return maxBytes > 0 && existsSync(path.join(keptDir(dir, projectId), key))
    },
  }
}

/** Gives `discard` what was kept more than 14 days ago, and what was never finished. Safe to repeat. */
export async function pruneKept(dir: string, discard: (tree: string) => Promise<void>): Promise<void> {
  const all = path.join(dir, 'kept')
  for (const projectId of namesIn(all)) {
    for (const name of namesIn(path.join(all, projectId))) {
      const place = path.join(all, projectId, name)
      const age = Date.now() - (statSync(place, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
      if (age > (KEY.test(name) ? MAX_AGE_MS : MAX_WRITING_MS)) await discard(place)
    }
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}
