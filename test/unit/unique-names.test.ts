import { readdir, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

const SOURCES = new URL('../../src/', import.meta.url)
const EXPORTED = /^export (?:default )?(?:async )?(?:function\*?|interface|type|class|const) (\w+)/gm
/** What the page knows of an answer bears the name of what is shown. */
const SHOWN = 'web/api/types.ts'

/** The files that export a name, by name. */
async function exportersByName(): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>()
  for (const file of await readdir(SOURCES, { recursive: true })) {
    if (!/\.tsx?$/.test(file) || file.startsWith('db/generated/') || file === SHOWN) continue
    for (const [, name = ''] of (await readFile(new URL(file, SOURCES), 'utf8')).matchAll(EXPORTED)) {
      found.set(name, (found.get(name) ?? new Set()).add(file))
    }
  }
  return found
}

test('an exported name means one thing: no two files export it', async () => {
  const exporters = [...(await exportersByName())]
  expect(exporters.length).toBeGreaterThan(1_000)
  expect(exporters.filter(([, files]) => files.size > 1).map(([name, files]) => [name, ...files].join(' '))).toEqual([])
})
