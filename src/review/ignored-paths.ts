import type { Sandbox } from '../sandbox/types.ts'
import { killsOnAbort, QUIET_ENV, runExec } from '../tools/exec.ts'

const TIMEOUT_MS = 20_000
const MAX_PATHS = 2_000
/** Git gives up at a path that no system call takes, and would say nothing of the others. */
const MAX_PATH_BYTES = 4_000
const MAX_ASKED_BYTES = 1024 * 1024
const MAX_BYTES = 256 * 1024

/**
 * Git is asked in the project's own repository, where what is tracked is not ignored; without one, in an empty one beside
 * it. What the configuration of the repository makes git run stays in the sandbox.
 */
const SCRIPT = `in=$(mktemp); cat > "$in"
git -c safe.directory='*' check-ignore -z --stdin < "$in" 2>/dev/null
if [ $? -gt 1 ]; then
  empty=$(mktemp -d); git init -q "$empty" 2>/dev/null
  GIT_DIR="$empty/.git" GIT_WORK_TREE=. git check-ignore -z --stdin < "$in" 2>/dev/null
fi
exit 0`

/**
 * Which of these paths the project's .gitignore files name; at most the first 2,000 of an ordinary length are asked. Nothing where git is not to be
 * had or does not answer in 20 s. One command; safe to repeat with the same `execId`. Throws `sandbox_*` and `signal.reason`.
 */
export async function ignoredPaths(
  sandbox: Sandbox,
  paths: readonly string[],
  options: { readonly taskId: string; readonly execId: string; readonly signal: AbortSignal },
): Promise<ReadonlySet<string>> {
  if (paths.length === 0 || ((await sandbox.stat('.gitignore')) === null && (await sandbox.stat('.git')) === null)) {
    return new Set()
  }
  const { state, head } = await runExec(
    sandbox,
    {
      execId: options.execId,
      taskId: options.taskId,
      argv: { sh: SCRIPT },
      env: QUIET_ENV,
      stdin: toAsk(paths),
      timeoutMs: TIMEOUT_MS,
    },
    { signal: options.signal, shouldKill: killsOnAbort, headBytes: MAX_BYTES, tailBytes: 0 },
  )
  if (state.status !== 'exited') return new Set()
  const asked = new Set(paths)
  return new Set(
    new TextDecoder()
      .decode(head)
      .split('\0')
      .filter((path) => asked.has(path)),
  )
}

function toAsk(paths: readonly string[]): Buffer {
  const asked: Buffer[] = []
  let bytes = 0
  for (const path of paths.slice(0, MAX_PATHS)) {
    const name = Buffer.from(`${path}\0`)
    if (name.length > MAX_PATH_BYTES) continue
    bytes += name.length
    if (bytes > MAX_ASKED_BYTES) break
    asked.push(name)
  }
  return Buffer.concat(asked)
}
