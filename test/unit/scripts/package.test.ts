import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { homeOf, isCheckout, ROOT, readSettings } from '../../../scripts/lib/paths.mjs'
import { removeShrinkwrap, shrinkwrapOf, writeShrinkwrap } from '../../../scripts/lib/shrinkwrap.mjs'

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

test('the package’s lockfile is gone after packing', () => {
  writeFileSync(join(directory, 'package-lock.json'), '{"packages":{"":{"devDependencies":{}}}}')
  writeShrinkwrap(directory)
  const written = JSON.parse(readFileSync(join(directory, 'npm-shrinkwrap.json'), 'utf8'))
  removeShrinkwrap(directory)
  removeShrinkwrap(directory)
  expect([written, existsSync(join(directory, 'npm-shrinkwrap.json'))]).toEqual([{ packages: { '': {} } }, false])
})
