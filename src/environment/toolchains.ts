import type { Sandbox } from '../sandbox/types.ts'
import { newId } from '../shared/ids.ts'
import { runExec } from '../tools/exec.ts'

/** A language or tool that a command finds, with what it says of its version. */
export interface Toolchain {
  readonly name: string
  readonly version: string
}

/** Names and how each is asked; the first line of the answer counts. */
const ASKED: readonly (readonly [name: string, question: string])[] = [
  ['node', 'node --version'],
  ['npm', 'npm --version'],
  ['pnpm', 'pnpm --version'],
  ['yarn', 'yarn --version'],
  ['bun', 'bun --version'],
  ['python', 'python3 --version'],
  ['pip', 'python3 -m pip --version'],
  ['uv', 'uv --version'],
  ['go', 'go version'],
  ['rust', 'rustc --version'],
  ['cargo', 'cargo --version'],
  ['java', 'java -version'],
  ['maven', 'mvn --version'],
  ['gradle', 'gradle --version --quiet'],
  ['ruby', 'ruby --version'],
  ['bundler', 'bundle --version'],
  ['php', 'php --version'],
  ['composer', 'composer --version'],
  ['gcc', 'gcc --version'],
  ['make', 'make --version'],
  ['git', 'git --version'],
]

const SCRIPT = ASKED.map(
  ([name, question]) =>
    `command -v ${question.split(' ')[0]} >/dev/null && printf '${name}\\t%s\\n' "$(timeout 5 ${question} 2>&1 | grep -m 1 -v '^$' | cut -c1-120)"`,
).join('\n')
const TIMEOUT_MS = 60_000

/** Asks the sandbox which languages and tools its commands find. Takes a second or two. Throws the `sandbox_*` codes. */
export async function findToolchains(sandbox: Sandbox, signal: AbortSignal): Promise<Toolchain[]> {
  const { head } = await runExec(
    sandbox,
    {
      execId: `tools-${newId('stp')}`,
      taskId: 'keelson',
      argv: { sh: `${SCRIPT}\ntrue` },
      timeoutMs: TIMEOUT_MS,
      network: true,
    },
    { signal, shouldKill: () => true, headBytes: 16 * 1024, tailBytes: 0 },
  )
  return Buffer.from(head)
    .toString('utf8')
    .split('\n')
    .flatMap((line) => {
      const [name, version] = line.split('\t')
      return name !== undefined && version !== undefined && ASKED.some(([known]) => known === name)
        ? [{ name, version }]
        : []
    })
}
