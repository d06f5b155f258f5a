import { readdir, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { ERRORS } from '../../src/shared/errors.ts'

const SOURCES = new URL('../../src/', import.meta.url)
const EXPORTED = /^export (?:default )?(?:async )?(?:function\*?|interface|type|class|const) (\w+)/gm
/** What the page knows of an answer bears the name of what is shown. */
const SHOWN = 'web/api/types.ts'
const VOCABULARY = 'events/topics.ts'

/** The texts of src, by their paths below it. */
async function readSources(): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  for (const file of await readdir(SOURCES, { recursive: true })) {
    if (!/\.tsx?$/.test(file) || file.startsWith('db/generated/')) continue
    found.set(file, await readFile(new URL(file, SOURCES), 'utf8'))
  }
  return found
}

const sources = await readSources()

/** All text that runs in server, worker and runner, but for one file. */
function serverSide(besides: string): string {
  return [...sources]
    .filter(([file]) => file !== besides && !/^(web|cli)\//.test(file))
    .map(([, text]) => text)
    .join('\n')
}

test('an exported name means one thing: no two files export it', () => {
  const exporters = new Map<string, Set<string>>()
  for (const [file, text] of sources) {
    if (file === SHOWN) continue
    for (const [, name = ''] of text.matchAll(EXPORTED))
      exporters.set(name, (exporters.get(name) ?? new Set()).add(file))
  }
  const shared = [...exporters].filter(([, files]) => files.size > 1)
  expect(shared.map(([name, files]) => [name, ...files].join(' '))).toEqual([])
  expect(exporters.size).toBeGreaterThan(1_000)
})

test('each event type of the vocabulary is emitted somewhere', () => {
  const types = [...(sources.get(VOCABULARY) ?? '').matchAll(/^ {2}'([a-z_]+\.[a-z_]+)':/gm)].map(
    ([, type = '']) => type,
  )
  const text = serverSide(VOCABULARY)
  expect(types.filter((type) => !text.includes(`'${type}'`))).toEqual([])
  expect(types.length).toBeGreaterThan(40)
})

test('each error code is thrown somewhere', () => {
  const text = serverSide('shared/errors.ts')
  expect(Object.keys(ERRORS).filter((code) => !text.includes(`'${code}'`))).toEqual([])
})
