import type { ShownSetupCommand } from '../shared/environment.ts'

/** Where one kind of set-up puts what it installs, below the directory that it runs in. */
interface Installed {
  /** Directories of this name, however deep: one for each package of a workspace. */
  readonly anywhere: readonly string[]
  /** Files and directories at exactly this place. */
  readonly here: readonly string[]
}

const NODE: Installed = { anywhere: ['node_modules'], here: [] }
const VENV: Installed = { anywhere: [], here: ['.venv'] }
/** What they install lies in the project's cache alone, or is built again from it. */
const CACHE_ALONE: Installed = { anywhere: [], here: [] }

/** By the name of the detected command. */
const BY_NAME: ReadonlyMap<string, Installed> = new Map([
  ['npm ci', NODE],
  ['npm install', NODE],
  ['pnpm install', NODE],
  ['bun install', NODE],
  [
    'yarn install',
    {
      anywhere: ['node_modules'],
      here: [
        '.pnp.cjs',
        '.pnp.loader.mjs',
        '.pnp.data.json',
        '.yarn/cache',
        '.yarn/unplugged',
        '.yarn/install-state.gz',
        '.yarn/build-state.yml',
      ],
    },
  ],
  ['uv sync', VENV],
  ['poetry install', VENV],
  ['pipenv sync', VENV],
  ['pip install', VENV],
  ['pdm install', { anywhere: [], here: ['.venv', '.pdm-python'] }],
  ['bundle install', { anywhere: [], here: ['vendor/bundle'] }],
  ['composer install', { anywhere: [], here: ['vendor'] }],
  ['go mod download', CACHE_ALONE],
  ['cargo fetch', CACHE_ALONE],
  ['maven', CACHE_ALONE],
  ['gradle', CACHE_ALONE],
])

/** Places that set-ups may have filled, as patterns for a look in the workspace. */
export interface SearchedPlaces {
  /** Directories to search, each with a name to look for; relative to the workspace, `.` for its top. */
  readonly anywhere: readonly (readonly [cwd: string, name: string])[]
  /** Relative to the workspace. */
  readonly here: readonly string[]
}

/**
 * Where these commands install, when all of them are detected ones whose places are known; null for any other, since what a
 * person's command does nobody knows. Pure.
 */
export function placesOf(commands: readonly ShownSetupCommand[]): SearchedPlaces | null {
  const anywhere: (readonly [string, string])[] = []
  const here: string[] = []
  for (const { name, cwd = '', source } of commands) {
    const installed = BY_NAME.get(cwd === '' ? name : name.slice(0, -` (${cwd})`.length))
    if (source !== 'detected' || installed === undefined) return null
    for (const each of installed.anywhere) anywhere.push([cwd === '' ? '.' : cwd, each])
    for (const each of installed.here) here.push(cwd === '' ? each : `${cwd}/${each}`)
  }
  return { anywhere, here }
}

/** Whether each of these removes what is installed before it installs. Pure. */
export function beginsAnew(commands: readonly ShownSetupCommand[]): boolean {
  return commands.every(({ name, source }) => source === 'detected' && /^npm ci(?: \(|$)/.test(name))
}
