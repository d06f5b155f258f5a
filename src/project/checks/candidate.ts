import type { Check, LeftOutCheck } from '../../shared/review.ts'
import type { PackageFiles } from '../project-files.ts'

/** One way to run a check. */
export interface CheckCommand {
  readonly command: string
  /** A shell test that is true where the command's program is installed. */
  readonly probe: string
  /** What the probe asks for, for a person: `pytest`. */
  readonly needs: string
}

/** A check that the project's files name. `fallbacks` are other ways to run the same, tried in order. */
export interface DetectedCheck extends Check, CheckCommand {
  readonly fallbacks: readonly CheckCommand[]
}

/** What one detector found in one package; both lists may be empty. */
export interface Detected {
  readonly checks: readonly DetectedCheck[]
  /** What the files name, or should name, and cannot be run. */
  readonly leftOut: readonly LeftOutCheck[]
}

/** Checks of one language in one package, as seen from its directory. `root` is the workspace's own package. Pure. */
export type Detector = (files: PackageFiles, root: PackageFiles) => Detected

/** The package has nothing of the detector's language. */
export const NOTHING: Detected = { checks: [], leftOut: [] }

/** A program on the PATH that runs this command. */
export function byProgram(program: string, command: string): CheckCommand {
  return { command, probe: `command -v ${program}`, needs: program }
}

/** A check from the ways to run it, the best one first; at least one. */
export function aCheck(name: string, best: CheckCommand, ...fallbacks: readonly CheckCommand[]): DetectedCheck {
  return { name, ...best, fallbacks }
}
