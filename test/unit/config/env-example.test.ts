import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ENV_NAMES } from '../../../src/config.ts'

/** Read by Temporal's library and by the scripts, not by config.ts. */
const OTHERS = ['TEMPORAL_ADDRESS', 'TEMPORAL_NAMESPACE', 'KEELSON_NO_SYSTEM_INSTALL']

test('.env.example names every setting and none that does not exist', () => {
  const text = readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8')
  const names = [...text.matchAll(/^([A-Z0-9_]+)=/gm)].map(([, name]) => name)
  expect(names.toSorted()).toEqual([...ENV_NAMES, ...OTHERS].toSorted())
})
