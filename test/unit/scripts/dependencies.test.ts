import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { areDependenciesInstalled } from '../../../scripts/lib/dependencies.mjs'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'keelson-dependencies-'))
  mkdirSync(join(root, 'node_modules'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const locked = {
  '': { name: 'x' },
  'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
  'node_modules/a-darwin': { version: '1.0.0', integrity: 'sha512-d', optional: true },
}

function isInstalled(installed: object | undefined): boolean {
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: locked }))
  const notes = join(root, 'node_modules', '.package-lock.json')
  if (installed !== undefined) writeFileSync(notes, JSON.stringify({ packages: installed }))
  return areDependenciesInstalled(root)
}

test.each([
  ['nothing is installed', undefined, false],
  ['all of this platform is installed', { 'node_modules/a': locked['node_modules/a'] }, true],
  ['a version differs', { 'node_modules/a': { version: '1.0.1', integrity: 'sha512-a' } }, false],
  ['a package lacks', {}, false],
])('when %s', (_name, installed, expected) => {
  expect(isInstalled(installed)).toBe(expected)
})
