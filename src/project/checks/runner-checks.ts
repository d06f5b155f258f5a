/** Checks that a project names in the file of a task runner: make, just, task. */

import { makeTargets } from '../extractors/make.ts'
import type { PackageFiles } from '../project-files.ts'
import { aCheck, byProgram, type Detected, type DetectedCheck, NOTHING } from './candidate.ts'

/** Names of targets by what they check, the best one first. */
const TARGETS: readonly (readonly [name: string, candidates: readonly string[]])[] = [
  ['test', ['test', 'tests', 'unittest', 'unit-test', 'test-unit']],
  ['lint', ['lint']],
  ['check', ['check']],
]

interface Runner {
  readonly program: string
  readonly files: readonly string[]
  targets(text: string): readonly string[]
}

const RUNNERS: readonly Runner[] = [
  { program: 'make', files: ['GNUmakefile', 'makefile', 'Makefile'], targets: makeTargets },
  { program: 'just', files: ['justfile', 'Justfile', '.justfile'], targets: justRecipes },
  { program: 'task', files: ['Taskfile.yml', 'Taskfile.yaml', 'taskfile.yml', 'taskfile.yaml'], targets: taskNames },
]

/** The targets of these names, of the first runner that has any. */
export function runnerChecks({ texts }: PackageFiles): Detected {
  for (const { program, files, targets } of RUNNERS) {
    const file = files.find((name) => texts.has(name))
    if (file === undefined) continue
    const known = new Set(targets(texts.get(file) ?? ''))
    const checks = TARGETS.flatMap(([name, candidates]): DetectedCheck[] => {
      const target = candidates.find((candidate) => known.has(candidate))
      return target === undefined ? [] : [aCheck(name, byProgram(program, `${program} ${target}`))]
    })
    if (checks.length > 0) return { checks, leftOut: [] }
  }
  return NOTHING
}

/** Recipes that can be called without an argument: `test:`, `@test: build`, `test filter="":`. */
function justRecipes(text: string): string[] {
  return [
    ...text.matchAll(/^@?([A-Za-z_][\w-]*)(?:[ \t]+[*]?[\w-]+[ \t]*=[^:\n]*|[ \t]+[*][\w-]+)*[ \t]*:(?!=)/gm),
  ].map(([, name = '']) => name)
}

/** The keys right below `tasks:`. */
function taskNames(text: string): string[] {
  const names: string[] = []
  let indent: number | null = null
  let isWithin = false
  for (const line of text.split('\n')) {
    if (/^\S/.test(line)) isWithin = /^tasks[ \t]*:/.test(line)
    const key = isWithin ? /^( +)["']?([\w:.-]+?)["']?[ \t]*:(?:\s|$)/.exec(line) : null
    if (key === null) continue
    indent ??= key[1]?.length ?? 0
    if (key[1]?.length === indent) names.push(key[2] ?? '')
  }
  return names
}
