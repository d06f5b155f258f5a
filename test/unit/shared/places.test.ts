import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import {
  BUILD_MANIFESTS,
  BUILD_NAMES,
  BUILT_NAMES,
  CACHE_NAMES,
  DEPENDENCY_NAMES,
  kindsOfFiles,
  placeKind,
} from '../../../src/shared/places.ts'

const kindBeside = (name: string, ...siblings: string[]) => placeKind(name, new Set(siblings))

test('a plain word is source unless a tool that makes such a directory is at work beside it', () => {
  const told = (['build', 'dist', 'out', 'coverage', 'target', 'venv', 'env', 'vendor'] as const).map((name) => [
    name,
    kindBeside(name, 'main.c'),
    kindBeside(name, 'Cargo.toml'),
    kindBeside(name, 'requirements.txt'),
  ])
  expect(told).toEqual([
    ['build', 'source', 'output', 'output'],
    ['dist', 'source', 'output', 'output'],
    ['out', 'source', 'output', 'output'],
    ['coverage', 'source', 'output', 'output'],
    ['target', 'source', 'output', 'output'],
    ['venv', 'source', 'source', 'dependencies'],
    ['env', 'source', 'source', 'dependencies'],
    ['vendor', 'source', 'dependencies', 'source'],
  ])
})

test('what tools install or keep is that wherever it lies', () => {
  expect(
    ['node_modules', '.venv', '__pycache__', '.next', '.git', '.claude', 'src'].map((name) => kindBeside(name)),
  ).toEqual(['dependencies', 'dependencies', 'cache', 'output', 'git', 'ours', 'source'])
})

test('of a list of files the outermost directory that is no source tells, by what the list has beside it', () => {
  const paths = [
    'app/package.json',
    'app/src/build/core.ts',
    'app/dist/index.js',
    'app/node_modules/a/dist/a.js',
    'target/aim.ts',
    'rs/Cargo.toml',
    'rs/target/debug/x',
  ]
  expect(paths.map(kindsOfFiles(paths))).toEqual([
    'source',
    'source',
    'output',
    'dependencies',
    'source',
    'source',
    'output',
  ])
})

test('the script in the VM leaves out by the same names', async () => {
  const script = await readFile('src/sandbox/e2b/vm.sh', 'utf8')
  const words = (name: string) => new RegExp(`^${name}='([^']*)'`, 'm').exec(script)?.[1]?.split(' ').toSorted()
  const manifests = /^HAS_MANIFEST='.*?; for m in ([^;]*);/m.exec(script)?.[1]?.split(' ')
  expect([words('IGNORED'), words('BUILDS'), manifests]).toEqual([
    ['.git', ...DEPENDENCY_NAMES, ...CACHE_NAMES, ...BUILT_NAMES].toSorted(),
    [...BUILD_NAMES, 'venv'].toSorted(),
    BUILD_MANIFESTS,
  ])
})
