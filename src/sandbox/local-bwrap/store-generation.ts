import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { isMissing, writeWhole } from './job-files.ts'

/** Names the state of a sandbox's store since objects were last removed from it; empty before the first time. */
export function readGeneration(gitDir: string): string {
  try {
    return readFileSync(generationFile(gitDir), 'utf8')
  } catch (error) {
    if (isMissing(error)) return ''
    throw error
  }
}

/** Begins a new one, so that whoever comes next believes no object to be there without looking, and returns it. */
export function beginGeneration(gitDir: string): string {
  const generation = randomBytes(9).toString('hex')
  writeWhole(generationFile(gitDir), generation)
  return generation
}

function generationFile(gitDir: string): string {
  return path.join(gitDir, 'generation')
}
