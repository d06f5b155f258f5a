import { readdir, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

const SOURCES = new URL('../../../src/', import.meta.url)

/** The files of src in which a source line holds the pattern, sorted. */
async function filesWith(pattern: RegExp): Promise<string[]> {
  const found: string[] = []
  for (const file of await readdir(SOURCES, { recursive: true })) {
    if (!file.endsWith('.ts') || file.startsWith('db/generated/')) continue
    if (pattern.test(await readFile(new URL(file, SOURCES), 'utf8'))) found.push(file)
  }
  return found.sort()
}

test('a statement reaches Postgres by query(), by a transaction or by Prisma’s client, and in no other way', async () => {
  expect({
    pool: await filesWith(/\bpool\.(query|connect)\b/),
    connection: await filesWith(/\bholdConnection\(/),
    prisma: await filesWith(/\bprisma\.\w/),
    raw: await filesWith(/\$(queryRaw|executeRaw)/),
  }).toEqual({
    pool: ['db/connection.ts', 'db/query.ts', 'db/transaction.ts'],
    connection: ['db/connection.ts', 'db/transaction.ts'],
    prisma: ['db/credentials.ts', 'db/project/projects.ts'],
    raw: [],
  })
})
