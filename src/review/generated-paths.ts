const LOCK_FILES = new Set([
  'package-lock.json',
  'npm-shrinkwrap.json',
  'pnpm-lock.yaml',
  'yarn.lock',
  'bun.lock',
  'bun.lockb',
  'uv.lock',
  'poetry.lock',
  'Pipfile.lock',
  'Cargo.lock',
  'Gemfile.lock',
  'composer.lock',
  'go.sum',
  'flake.lock',
])
const GENERATED_NAMES =
  /\.min\.(?:js|css|mjs)$|\.(?:map|snap|svg|csv|tsv|jsonl|ndjson|log|pb\.go)$|[-_.]generated\b|_pb2?\.(?:py|js|ts)$/i
const GENERATED_DIRECTORIES =
  /(?:^|\/)(?:node_modules|vendor|third_party|dist|coverage|__snapshots__|__generated__|\.next|\.venv)\//
/** More lines than anybody writes in one file and one task. */
const HUGE_LINES = 3_000

/**
 * Whether a changed file is made by a program rather than written: a lock file, something minified, vendored or of so many
 * lines. It is still part of the change; what was written comes first where room is short. Pure.
 */
export function isGenerated(change: {
  readonly path: string
  readonly added: number
  readonly removed: number
}): boolean {
  const name = change.path.slice(change.path.lastIndexOf('/') + 1)
  return (
    LOCK_FILES.has(name) ||
    GENERATED_NAMES.test(name) ||
    GENERATED_DIRECTORIES.test(change.path) ||
    change.added + change.removed > HUGE_LINES
  )
}
