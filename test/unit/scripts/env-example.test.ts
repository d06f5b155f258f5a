import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ENV_NAMES } from '../../../src/config.ts'

/** Read by Temporal's own configuration, or by the scripts alone. */
const READ_ELSEWHERE = ['TEMPORAL_ADDRESS', 'TEMPORAL_NAMESPACE', 'KEELSON_NO_SYSTEM_INSTALL']

test('.env.example names every setting and no other', () => {
  const text = readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8')
  const named = [...text.matchAll(/^([A-Z0-9_]+)=/gm)].map((match) => match[1])
  expect(named.sort()).toEqual([...ENV_NAMES, ...READ_ELSEWHERE].sort())
})
