/** Why checkpoints do not hold a place: what tools install, build or cache, git's own, what cannot be read, too large. */
export type LeftOutKind = 'dependencies' | 'build' | 'cache' | 'git' | 'unseen' | 'large'

/** A place that checkpoints do not hold and in which something changed. */
export interface LeftOut {
  readonly path: string
  /** `cache` also when nothing but caches in it changed: that is no work of a task. */
  readonly kind: LeftOutKind
  /** How many files came, went or changed; `replaced` of them were there before. */
  readonly files: number
  readonly replaced: number
  /** Some of the files that are there now, at most five. */
  readonly examples: readonly string[]
}

/** Whether anything moved that is a task's work: a cache is none. Pure. */
export function isWork(leftOut: readonly LeftOut[]): boolean {
  return leftOut.some((place) => place.kind !== 'cache')
}

/** Installed dependencies that were there before and are not as they were: checks then ran on other code. Pure. */
export function replacedDependencies(leftOut: readonly LeftOut[]): LeftOut[] {
  return leftOut.filter((place) => place.kind === 'dependencies' && place.replaced > 0)
}

/** `node_modules (3 files, e.g. node_modules/x/index.js)`. Pure. */
export function leftOutText({ path, files, examples }: LeftOut): string {
  const first = examples.find((example) => example !== path)
  return `${path} (${files} ${files === 1 ? 'file' : 'files'}${first === undefined ? '' : `, e.g. ${first}`})`
}
