import { existsSync, readFileSync } from 'node:fs'

/** The certificates of those of these files that are there, in PEM. */
export function readTrusted(files: readonly string[]): string[] {
  return files.filter((file) => existsSync(file)).map((file) => readFileSync(file, 'utf8'))
}
