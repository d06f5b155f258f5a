import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readLockHolder, takeStartLock } from '../../../scripts/lib/start-lock.mjs'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'keelson-lock-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

test('the right to run is held once, passes on when released, and leaves nothing behind', () => {
  const first = takeStartLock(home)
  const second = takeStartLock(home)
  if ('release' in first) first.release()
  const third = takeStartLock(home)
  expect([second, 'release' in third, readLockHolder(home)?.pid]).toEqual([{ heldBy: process.pid }, true, process.pid])
  if ('release' in third) third.release()
  expect([readdirSync(home), readLockHolder(home)]).toEqual([[], undefined])
})

test.each([
  ['of a process that is gone', JSON.stringify({ pid: 999_999_999, start: 'long ago' })],
  ['of an earlier process with a number that lives again', JSON.stringify({ pid: process.pid, start: 'long ago' })],
  ['that was cut off', '{"pid":'],
])('a lock %s is taken over', (_name, text) => {
  writeFileSync(join(home, 'lock'), text)
  const lock = takeStartLock(home)
  expect(['release' in lock, readdirSync(home)]).toEqual([true, ['lock']])
})
