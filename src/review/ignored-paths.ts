import type { Sandbox } from '../sandbox/types.ts'
import { killsOnAbort, QUIET_ENV, runExec } from '../tools/exec.ts'

const TIMEOUT_MS = 20_000
const MAX_PATHS = 2_000
/** Git gives up at a path that no system call takes, and would say nothing of the others. */
const MAX_PATH_BYTES = 4_000
const MAX_ASKED_BYTES = 1024 * 1024
const MAX_BYTES = 256 * 1024
const MAX_RULES_BYTES = 1024 * 1024

/**
 * Git is asked in a copy of what decides: the rule files that lead to the paths, `.git/info/exclude` and, since what is tracked
 * is not ignored, the index. Regular files alone are copied: a pipe or a device in the place of one would keep git waiting, and
 * with it the review. Nothing of the repository's configuration counts but the kind of its hashes.
 */
const SCRIPT = `copy=$(mktemp -d) && cat > "$copy/asked" || exit 0
plain() { [ -f "$1" ] && [ -r "$1" ]; }
kind=$(plain .git/config && git config -f .git/config extensions.objectFormat)
git init -q --template= --object-format="\${kind:-sha1}" "$copy/tree" 2>/dev/null || exit 0
mkdir -p "$copy/tree/.git/info"
plain .git/info/exclude && head -c ${MAX_RULES_BYTES} .git/info/exclude > "$copy/tree/.git/info/exclude"
for part in .git/index .git/sharedindex.*; do plain "$part" && ln -s "$PWD/$part" "$copy/tree/$part"; done
declare -A seen
rules() {
  [ -z "\${seen[$1]}" ] || return 1
  seen[$1]=1
  [ ! -L "$1.gitignore" ] && plain "$1.gitignore" || return 0
  mkdir -p "$copy/tree/$1" && head -c ${MAX_RULES_BYTES} "$1.gitignore" > "$copy/tree/$1.gitignore"
}
rules ./
while IFS= read -r -d '' path; do
  while [[ $path == */* ]]; do path=\${path%/*}; rules "$path/" || break; done
done < "$copy/asked"
cd "$copy/tree" || exit 0
git check-ignore -z --stdin < "$copy/asked" 2>/dev/null
if [ $? -gt 1 ]; then rm -f .git/index; git check-ignore -z --stdin < "$copy/asked" 2>/dev/null; fi
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
