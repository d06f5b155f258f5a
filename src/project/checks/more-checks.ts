/** Languages of which one file says how they are tested. */

import type { PackageFiles } from '../project-files.ts'
import { aCheck, byProgram, type Detector, NOTHING } from './candidate.ts'

/** File, program, command; the first file that is there counts. */
const BY_FILE: readonly (readonly [file: string, program: string, command: string])[] = [
  ['mix.exs', 'mix', 'mix test'],
  ['build.sbt', 'sbt', 'sbt -batch test'],
  ['Package.swift', 'swift', 'swift test'],
  ['stack.yaml', 'stack', 'stack test'],
  ['cabal.project', 'cabal', 'cabal test all'],
  ['dune-project', 'dune', 'dune test'],
  ['build.zig', 'zig', 'zig build test'],
  ['shard.yml', 'crystal', 'crystal spec'],
  ['project.clj', 'lein', 'lein test'],
  ['rebar.config', 'rebar3', 'rebar3 eunit'],
  ['cpanfile', 'prove', 'prove -lr t'],
  ['Makefile.PL', 'prove', 'prove -lr t'],
  ['MODULE.bazel', 'bazel', 'bazel test //...'],
  ['WORKSPACE', 'bazel', 'bazel test //...'],
  ['build.xml', 'ant', 'ant test'],
]
/** Built outside the workspace, so that no check changes the project. */
const CMAKE =
  'cmake -S . -B /tmp/check-build && cmake --build /tmp/check-build && ctest --test-dir /tmp/check-build --output-on-failure'
const MAX_TEST_PROJECTS = 5

/** Deno, .NET, Dart, CMake, and what a single file names. */
export const moreChecks: Detector = (files, root) => {
  const { names, texts } = files
  if (DENO.some((name) => names.has(name)) && !texts.has('package.json')) return only('deno', denoCommand(files))
  const dotnet = dotnetCommands(files)
  if (dotnet.length > 0) {
    return {
      checks: dotnet.map((command, index) =>
        aCheck(index === 0 ? 'test' : `test ${index + 1}`, byProgram('dotnet', command)),
      ),
      leftOut: [],
    }
  }
  const pubspec = texts.get('pubspec.yaml')
  if (pubspec !== undefined) {
    const program = /^\s+sdk:\s*flutter\b/m.test(pubspec) ? 'flutter' : 'dart'
    return only(program, `${program} test`)
  }
  const cmake = texts.get('CMakeLists.txt')
  if (cmake !== undefined && (files === root || !root.names.has('CMakeLists.txt'))) {
    if (
      /\b(?:enable_testing|add_test|catch_discover_tests|gtest_discover_tests)\s*\(|include\s*\(\s*CTest\b/i.test(cmake)
    )
      return only('cmake', CMAKE)
    return { checks: [], leftOut: [{ name: 'test', reason: 'CMakeLists.txt enables no tests' }] }
  }
  const found = BY_FILE.find(([file]) => names.has(file))
  return found === undefined ? NOTHING : only(found[1], found[2])
}

function only(program: string, command: string) {
  return { checks: [aCheck('test', byProgram(program, command))], leftOut: [] }
}

const DENO: readonly string[] = ['deno.json', 'deno.jsonc']

/** The project's own task where it has one. Comments keep such a file from being parsed; the key alone is looked for. */
function denoCommand({ texts }: PackageFiles): string {
  const text = DENO.map((name) => texts.get(name) ?? '').join('\n')
  return /"tasks"\s*:\s*\{[^}]*"test"\s*:/.test(text) ? 'deno task test' : 'deno test'
}

/** A solution or project in the directory itself, else the test projects below it. */
function dotnetCommands({ paths }: PackageFiles): string[] {
  const projects = paths.filter((path) => /\.(?:slnx?|csproj|fsproj|vbproj)$/.test(path))
  if (projects.some((path) => !path.includes('/'))) return ['dotnet test']
  const tests = projects.filter((path) => /tests?(?:\.\w+)?\.\w+proj$/i.test(path) && /^[\w./-]+$/.test(path))
  const chosen = tests.length > 0 ? tests : projects.filter((path) => /^[\w./-]+$/.test(path)).slice(0, 1)
  return chosen.slice(0, MAX_TEST_PROJECTS).map((path) => `dotnet test ${path}`)
}
