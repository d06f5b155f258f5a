import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lockPackage, shrinkwrapOf, unlockPackage } from '../../../scripts/lib/lock-package.mjs'
import { homeOf, isCheckout, ROOT, readSettings } from '../../../scripts/lib/paths.mjs'

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-package-'))
})

afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

test('an installed package keeps its data in the person’s directory, and reads the .env there', () => {
  const env = { HOME: directory }
  mkdirSync(join(directory, '.keelson'))
  writeFileSync(join(directory, '.keelson', '.env'), 'PORT=4000\n')
  const installed = join(directory, 'lib', 'node_modules', 'keelson')
  mkdirSync(installed, { recursive: true })
  writeFileSync(join(installed, 'npm-shrinkwrap.json'), '{}')
  expect({
    checkouts: [isCheckout(ROOT), isCheckout(installed)],
    settings: readSettings(env, installed),
    homes: [homeOf(env, installed), homeOf({ ...env, KEELSON_HOME: '/data' }, installed)],
    relative: homeOf({ ...env, KEELSON_HOME: 'mine' }, installed),
  }).toEqual({
    checkouts: [true, false],
    settings: { HOME: directory, PORT: '4000' },
    homes: [join(directory, '.keelson'), '/data'],
    relative: join(process.cwd(), 'mine'),
  })
})

test('the package is locked to what the checkout is locked to, without what only a checkout needs', () => {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const { packages } = shrinkwrapOf(lock)
  const names = Object.keys(packages)
  expect({
    missing: Object.keys(dependencies).filter((name) => packages[`node_modules/${name}`] === undefined),
    development: ['typescript', 'vite', 'vitest', 'prisma'].filter((name) => names.includes(`node_modules/${name}`)),
    changed: names.filter(
      (name) =>
        name !== '' &&
        packages[name] !== lock.packages[name] &&
        JSON.stringify(packages[name]) !== JSON.stringify(lock.packages[name]),
    ),
    addresses: JSON.stringify(packages).includes('"resolved"'),
  }).toEqual({ missing: [], development: [], changed: [], addresses: false })
})

test('while it is packed the manifest names exact versions; afterwards the checkout is as it was', () => {
  const manifest = '{"name":"x","dependencies":{"a":"^1.0.0"},"devDependencies":{"b":"2.0.0"}}\n'
  const lock = {
    packages: {
      '': { dependencies: { a: '^1.0.0' }, devDependencies: { b: '2.0.0' } },
      'node_modules/a': { version: '1.2.3' },
      'node_modules/a/node_modules/c': { version: '0.9.0' },
      'node_modules/b': { version: '2.0.0', dev: true },
      'node_modules/c': { version: '1.0.0' },
      'node_modules/d': { version: '1.0.0', optional: true },
    },
  }
  mkdirSync(join(directory, 'node_modules'))
  writeFileSync(join(directory, 'package.json'), manifest)
  writeFileSync(join(directory, 'package-lock.json'), JSON.stringify(lock))
  const read = (name: string) => JSON.parse(readFileSync(join(directory, name), 'utf8'))
  lockPackage(directory)
  lockPackage(directory)
  const locked = [read('package.json'), Object.keys(read('npm-shrinkwrap.json').packages)]
  unlockPackage(directory)
  unlockPackage(directory)
  expect({
    locked,
    after: [readFileSync(join(directory, 'package.json'), 'utf8'), existsSync(join(directory, 'npm-shrinkwrap.json'))],
  }).toEqual({
    locked: [
      { name: 'x', dependencies: { a: '1.2.3', c: '1.0.0' } },
      ['', 'node_modules/a', 'node_modules/a/node_modules/c', 'node_modules/c', 'node_modules/d'],
    ],
    after: [manifest, false],
  })
})
