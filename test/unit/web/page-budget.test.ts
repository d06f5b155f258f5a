import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'

const PAGE = fileURLToPath(new URL('../../../dist/web/', import.meta.url))
const MANIFEST = `${PAGE}.vite/manifest.json`
const BUDGET_BYTES = 190 * 1_000

interface Chunk {
  readonly file: string
  readonly isEntry?: boolean
  readonly imports?: readonly string[]
}

/** The entry and all that it imports at once; what is imported later is not there at first load. */
function firstLoad(manifest: Readonly<Record<string, Chunk>>): string[] {
  const files = new Set<string>()
  const follow = (chunk: Chunk | undefined): void => {
    if (chunk === undefined || files.has(chunk.file)) return
    files.add(chunk.file)
    for (const name of chunk.imports ?? []) follow(manifest[name])
  }
  for (const chunk of Object.values(manifest)) if (chunk.isEntry === true) follow(chunk)
  return [...files]
}

// The build comes before the tests in `npm test`; a single run without it has nothing to weigh.
test.skipIf(!existsSync(MANIFEST))('the page loads at most 190 KB of compressed JavaScript at first', () => {
  const files = firstLoad(JSON.parse(readFileSync(MANIFEST, 'utf8')) as Record<string, Chunk>)
  const sizes = files.map((file) => gzipSync(readFileSync(PAGE + file), { level: 9 }).length)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  expect(files.length).toBeGreaterThan(0)
  expect(total).toBeLessThanOrEqual(BUDGET_BYTES)
})
