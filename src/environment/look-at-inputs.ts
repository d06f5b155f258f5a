import { createHash } from 'node:crypto'
import type { Sandbox } from '../sandbox/types.ts'
import type { EnvironmentBody, ShownSetupCommand } from '../shared/environment.ts'
import { DEPENDENCY_NAMES } from '../shared/places.ts'
import { runExec } from '../tools/exec.ts'
import { detectSetup, INPUT_NAMES, READ_NAMES, type SetupInputs } from './detect-setup.ts'

/** What a project would be set up with now. */
export interface SetupPlan {
  readonly commands: readonly ShownSetupCommand[]
  readonly leftOut: readonly { readonly path: string; readonly reason: string }[]
  /** Lock files, which a set-up must leave as they are, each with its SHA-256 in hex. */
  readonly locks: Readonly<Record<string, string>>
  /** Moves when a command or the content of an input did. */
  readonly hash: string
}

const MAX_DEPTH = 3
const MAX_FILES = 300
const MAX_READ = 60
const MAX_FILE_BYTES = 2 * 1024 * 1024
const LOOK_TIMEOUT_MS = 30_000
const MAX_LIST_BYTES = 256 * 1024
const LOCK = /(lock|lockb|\.sum|shrinkwrap)/
/** Other people's projects, and examples that nobody installs. */
const SKIPPED = [
  ...DEPENDENCY_NAMES,
  '.git',
  'vendor',
  'third_party',
  'testdata',
  'fixtures',
  'examples',
  'venv',
  'target',
  'dist',
]

const FIND = `find . -mindepth 1 -maxdepth ${MAX_DEPTH} \\( -type d \\( ${any(SKIPPED)} \\) -prune \\) -o -type f \\( ${any(INPUT_NAMES)} \\) -size -${MAX_FILE_BYTES / 1024}k -print0 \
| LC_ALL=C sort -z | head -z -n ${MAX_FILES} | xargs -0 -r sha256sum -z | tr '\\0' '\\n'`

function any(names: readonly string[]): string {
  return names.map((name) => `-name '${name}'`).join(' -o ')
}

/** Lock files and manifests as they were seen. */
export interface SeenInputs {
  /** SHA-256 in hex by path. */
  readonly hashes: ReadonlyMap<string, string>
  /** Of those that are read, by path. */
  readonly texts: ReadonlyMap<string, string>
}

interface LookOptions {
  readonly execId: string
  readonly taskId: string
  readonly signal: AbortSignal
}

/**
 * Looks for lock files and manifests, three directories deep, in the sandbox and bounded, and says what a set-up would do.
 * `execId` makes a repeat attach. Throws the `sandbox_*` codes; safe to repeat.
 */
export async function planSetup(
  sandbox: Sandbox,
  environment: EnvironmentBody,
  options: LookOptions,
): Promise<SetupPlan> {
  return planFrom(await lookAtInputs(sandbox, options), environment)
}

/** What {@link planSetup} plans from. */
export async function lookAtInputs(sandbox: Sandbox, options: LookOptions): Promise<SeenInputs> {
  const hashes = await hashInputs(sandbox, options)
  const texts = new Map<string, string>()
  for (const path of [...hashes.keys()]
    .filter((each) => READ_NAMES.has(each.slice(each.lastIndexOf('/') + 1)))
    .slice(0, MAX_READ)) {
    const { data, sizeBytes } = await sandbox.read(path, { maxBytes: MAX_FILE_BYTES })
    if (data.length === sizeBytes) texts.set(path, new TextDecoder().decode(data))
  }
  return { hashes, texts }
}

/** What a set-up would do with these inputs. Pure. */
export function planFrom({ hashes, texts }: SeenInputs, environment: EnvironmentBody): SetupPlan {
  const inputs: SetupInputs = { files: new Set(hashes.keys()), texts }
  const detected = detectSetup(inputs)
  const commands = mergeCommands(detected.commands, environment)
  const hash = createHash('sha256')
    .update(JSON.stringify([commands, environment.variables, [...hashes]]))
    .digest('hex')
  const locks = [...hashes].filter(([path]) => LOCK.test(path.slice(path.lastIndexOf('/') + 1)))
  return { commands, leftOut: detected.leftOut, locks: Object.fromEntries(locks), hash }
}

/** A person's command takes the place of a detected one of its name; the others of theirs come after. Pure. */
export function mergeCommands(
  detected: DetectedCommands,
  { setup }: Pick<EnvironmentBody, 'setup'>,
): ShownSetupCommand[] {
  const own = new Map(setup.commands.map((command) => [command.name, command]))
  const merged = detected.map((command): ShownSetupCommand => {
    const replacement = own.get(command.name)
    own.delete(command.name)
    return replacement ? { ...replacement, source: 'custom' } : { ...command, source: 'detected' }
  })
  return [...merged, ...[...own.values()].map((command): ShownSetupCommand => ({ ...command, source: 'custom' }))]
}

type DetectedCommands = ReturnType<typeof detectSetup>['commands']

async function hashInputs(sandbox: Sandbox, { execId, taskId, signal }: LookOptions): Promise<Map<string, string>> {
  const { head } = await runExec(
    sandbox,
    { execId, taskId, argv: { sh: FIND }, timeoutMs: LOOK_TIMEOUT_MS },
    { signal, shouldKill: () => true, headBytes: MAX_LIST_BYTES, tailBytes: 0 },
  )
  const lines = Buffer.from(head).toString('utf8').split('\n')
  return new Map(
    lines.flatMap((line): [string, string][] => {
      const match = /^([0-9a-f]{64}) [ *]\.\/(.+)$/.exec(line)
      return match === null || match[2]?.includes('\u{FFFD}') ? [] : [[match[2] ?? '', match[1] ?? '']]
    }),
  )
}
