import { describe, expect, test } from 'vitest'
import type { ProjectFiles } from '../../../src/context/project-files.ts'
import { detectChecks } from '../../../src/review/checks.ts'

/** A project with these files; a text of null is a directory. */
function aProject(given: Record<string, string | null>): ProjectFiles {
  const names = Object.keys(given)
  return {
    rootNames: new Set(names.map((path) => path.split('/')[0] ?? path)),
    tree: names.map((path) => ({
      path,
      name: path.split('/').at(-1) ?? path,
      kind: given[path] === null ? 'directory' : 'file',
      sizeBytes: 0,
    })),
    treeTruncated: false,
    texts: new Map(
      Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== null && !entry[0].includes('/')),
    ),
  }
}

const commands = (given: Record<string, string | null>) =>
  Object.fromEntries(detectChecks(aProject(given)).map(({ name, command }) => [name, command]))

const packageJson = (scripts: Record<string, unknown>, more: object = {}) => ({
  'package.json': JSON.stringify({ scripts, ...more }),
})
const installed = { node_modules: null }

describe('package.json', () => {
  test('test, lint and typecheck scripts are checks', () => {
    const scripts = { test: 'node --test', lint: 'oxlint', 'check:types': 'tsc --noEmit', build: 'tsc', dev: 'vite' }
    expect(commands({ ...packageJson(scripts, { devDependencies: { typescript: '6' } }), ...installed })).toEqual({
      test: 'npm test',
      lint: 'npm run lint',
      typecheck: 'npm run check:types',
    })
  })

  test.each([
    ['npm’s default', { test: 'echo "Error: no test specified" && exit 1' }],
    ['what downloads', { test: 'npx jest', lint: 'npm ci && eslint .' }],
    ['what watches', { test: 'vitest --watch' }],
    ['another package manager', { test: 'pnpm -r test' }],
    ['an empty script', { test: '  ' }],
    ['a script that is no text', { test: 5 }],
  ])('%s is no check', (_what, scripts) => {
    expect(commands({ ...packageJson(scripts), ...installed })).toEqual({})
  })

  test('without installed dependencies only what needs none is a check', () => {
    const scripts = { test: 'node --test', lint: 'eslint .' }
    expect(commands(packageJson(scripts, { devDependencies: { eslint: '9' } }))).toEqual({ test: 'npm test' })
    expect(commands(packageJson(scripts))).toEqual({ test: 'npm test', lint: 'npm run lint' })
  })

  test('check, and failing that build, counts where nothing else does', () => {
    expect(commands(packageJson({ check: 'make all', build: 'make' }))).toEqual({ check: 'npm run check' })
    expect(commands(packageJson({ build: 'node build.js' }))).toEqual({ build: 'npm run build' })
    expect(commands(packageJson({ test: 'node --test', check: 'npm test' }))).toEqual({ test: 'npm test' })
  })

  test.each(['not json', '[]', 'null', '{"scripts":[]}', '{"scripts":null}'])(
    '%s gives none and does not throw',
    (text) => {
      expect(commands({ 'package.json': text })).toEqual({})
    },
  )
})

describe('other languages', () => {
  test('Python: pytest, ruff and mypy where they are configured', () => {
    const pyproject = '[project]\nname = "x"\n[tool.pytest.ini_options]\n[tool.ruff]\n[tool.mypy]\n'
    expect(commands({ 'pyproject.toml': pyproject })).toEqual({
      test: 'python3 -m pytest -q',
      lint: 'ruff check .',
      typecheck: 'mypy .',
    })
  })

  test('Python: unittest where there are tests and no pytest', () => {
    expect(commands({ 'a.py': '', 'test_a.py': '' })).toEqual({ test: 'python3 -m unittest discover' })
    expect(commands({ tests: null, 'tests/test_a.py': '' })).toEqual({
      test: 'python3 -m unittest discover -s tests -t .',
    })
  })

  test('Go and Rust only when their dependencies are at hand', () => {
    const needs = 'module x\n\nrequire (\n\tgithub.com/a/b v1.0.0\n)\n'
    expect(Object.keys(commands({ 'go.mod': 'module x\n\ngo 1.22\n' }))).toEqual(['test', 'lint'])
    expect(commands({ 'go.mod': needs })).toEqual({})
    expect(Object.keys(commands({ 'go.mod': needs, vendor: null }))).toEqual(['test', 'lint'])
    expect(commands({ 'Cargo.toml': '[package]\nname = "x"\n\n[dependencies]\n' })).toEqual({
      test: 'cargo test --offline',
    })
    expect(commands({ 'Cargo.toml': '[package]\nname = "x"\n\n[dependencies]\nserde = "1"\n' })).toEqual({})
  })

  test('Make targets count where nothing else was found', () => {
    const makefile = 'VERSION := 1\n.PHONY: test\ntest: build\n\tgo test\ncheck:\n\ttrue\n'
    expect(commands({ Makefile: makefile })).toEqual({ test: 'make test', check: 'make check' })
    expect(commands({ Makefile: makefile, ...packageJson({ test: 'node --test' }) })).toEqual({ test: 'npm test' })
  })

  test('two languages keep both tests under names of their own', () => {
    expect(commands({ ...packageJson({ test: 'node --test' }), 'go.mod': 'module x\n' })).toMatchObject({
      test: 'npm test',
      'test (go)': expect.stringContaining('go test'),
    })
  })

  test('an empty project has none', () => {
    expect(commands({})).toEqual({})
  })
})
