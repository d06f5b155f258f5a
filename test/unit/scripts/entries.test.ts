import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { expect, it } from 'vitest'
import { BUILT_ENTRIES } from '../../../scripts/lib/entries.mjs'
import { ROOT } from '../../../scripts/lib/paths.mjs'

it('npm run server and npm run worker start what npm start starts, with the same bounds of memory', () => {
  const { scripts } = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8')) as { scripts: Record<string, string> }
  const commandOf = (args: readonly string[]) =>
    ['node', ...args.map((each) => (each.startsWith('-') ? each : relative(ROOT, each)))].join(' ')

  expect({ server: scripts['server'], worker: scripts['worker'] }).toEqual({
    server: commandOf(BUILT_ENTRIES.server),
    worker: commandOf(BUILT_ENTRIES.worker),
  })
})
