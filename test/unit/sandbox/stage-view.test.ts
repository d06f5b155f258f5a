import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterEach, expect, test } from 'vitest'
import { withoutDescriptors } from '../../../src/sandbox/local-bwrap/stage-view.ts'

const home = mkdtempSync(path.join(tmpdir(), 'keelson-norc-'))
afterEach(() => rmSync(home, { recursive: true, force: true }))

test('no file of the user who starts the runner is executed on the way', async () => {
  writeFileSync(path.join(home, '.bashrc'), 'echo from the user’s file')
  const [program = '', ...argv] = withoutDescriptors(['/bin/echo', 'the runner'])
  const { stdout } = await promisify(execFile)(program, argv, { env: { HOME: home, PATH: '/usr/bin:/bin' } })
  expect(stdout).toBe('the runner\n')
})
