import { expect, test } from 'vitest'
import { requiredModules } from '../../../src/project/extractors/go.ts'
import { makeTargets } from '../../../src/project/extractors/make.ts'
import { packageManagerOf, parsePackageJson } from '../../../src/project/extractors/node.ts'
import { python } from '../../../src/project/extractors/python.ts'
import { cargoDependencies } from '../../../src/project/extractors/rust.ts'

test('the package manager is the named one, else the lock file’s', () => {
  const manager = (json: object, ...names: string[]) =>
    packageManagerOf(parsePackageJson(JSON.stringify(json)) ?? fail(), new Set(names))
  expect([
    manager({ packageManager: 'pnpm@9.1.0' }, 'yarn.lock'),
    manager({}, 'yarn.lock'),
    manager({}, 'bun.lock'),
    manager({}, 'pnpm-lock.yaml'),
    manager({}),
  ]).toEqual(['pnpm', 'yarn', 'bun', 'pnpm', 'npm'])
})

function fail(): never {
  throw new Error('package.json was not read')
}

test('a malformed field of package.json counts as absent, the others stand', () => {
  expect(parsePackageJson('{"name":5,"scripts":"x","type":"module"}')).toMatchObject({ type: 'module' })
  expect([parsePackageJson('{'), parsePackageJson('5'), parsePackageJson(undefined)]).toEqual([null, null, null])
})

test('required Go modules are counted in blocks and lines, comments not', () => {
  const mod =
    'module x\nrequire a.b/c v1\nrequire (\n\ta.b/d v1\n\t// a comment\n\ta.b/e v2 // indirect\n)\nreplace a => b\n'
  expect([requiredModules(mod), requiredModules('module x\n')]).toEqual([3, 0])
})

test('what a go.mod requires is read in time that grows with its length', () => {
  const secondsFor = (lines: number): number => {
    const text = 'require (\n'.repeat(lines)
    const times = Array.from({ length: 5 }, () => {
      const from = performance.now()
      requiredModules(text)
      return performance.now() - from
    })
    return Math.min(...times)
  }
  // Ten times the lines: about 10 when it is linear, 100 when each line reads the rest.
  expect(secondsFor(65_000) / secondsFor(6_500)).toBeLessThan(35)
})

test('Cargo dependencies are found in each kind of table', () => {
  const cargo =
    '[package]\nname = "x"\n[dependencies]\nserde = "1"\n# no\n[dev-dependencies.tokio]\nversion = "1"\n[features]\na = []\n'
  expect(cargoDependencies(cargo)).toEqual(['serde', 'tokio'])
})

test('Make targets leave out variables, patterns and special targets', () => {
  expect(
    makeTargets('A := 1\nB ::= 2\nall: a\n.PHONY: all\n%.o: %.c\nall: b\ntest lint:\n\tx: y\nbuild/out: z\n'),
  ).toEqual(['all', 'test', 'lint', 'build/out'])
})

test('Python facts come from pyproject.toml', () => {
  const text = '[project]\nname = "calc"\nrequires-python = ">=3.11"\n[tool.pytest.ini_options]\n'
  const files = {
    rootNames: new Set<string>(),
    tree: [],
    treeTruncated: false,
    texts: new Map([['pyproject.toml', text]]),
    tooLarge: [],
    rules: [],
    packages: [],
  }
  expect(python(files)).toEqual([
    'Python project `calc`, Python `>=3.11`',
    'Tools configured in pyproject.toml: pytest',
  ])
})
