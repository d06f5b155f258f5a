import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { type Chunk, firstLoadFiles } from '../../../bench/first-load.ts'

const PAGE = fileURLToPath(new URL('../../../dist/web/', import.meta.url))
const MANIFEST = `${PAGE}.vite/manifest.json`
const BUDGET_BYTES = 190 * 1_000

// The build comes before the tests in `npm test`; a single run without it has nothing to weigh.
test.skipIf(!existsSync(MANIFEST))('the page loads at most 190 KB of compressed JavaScript at first', () => {
  const files = firstLoadFiles(JSON.parse(readFileSync(MANIFEST, 'utf8')) as Record<string, Chunk>)
  const sizes = files.map((file) => gzipSync(readFileSync(PAGE + file), { level: 9 }).length)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  expect(files.length).toBeGreaterThan(0)
  expect(total).toBeLessThanOrEqual(BUDGET_BYTES)
})
