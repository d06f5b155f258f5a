import type { Sandbox } from '../sandbox/types.ts'
import { newId } from '../shared/ids.ts'
import { killsOnAbort, QUIET_ENV, runExec } from '../tools/exec.ts'

const TIMEOUT_MS = 20_000
const MAX_BYTES = 1024 * 1024
const SCRIPT = `xargs -0 -r git -c safe.directory='*' --literal-pathspecs ls-files -z -- 2>/dev/null; exit 0`

/**
 * Which of these paths (bytes as latin1) the project's own git tracks now, although its ignore files name them. Asked in the
 * sandbox, so that what the repository's configuration makes git run stays there; none where git does not answer in 20 s.
 * Throws `sandbox_*` and `signal.reason`.
 */
export async function trackedPaths(
  sandbox: Sandbox,
  paths: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  if (paths.size === 0 || (await sandbox.stat('.git')) === null) return new Set()
  const { head } = await runExec(
    sandbox,
    {
      execId: `tracked.${newId('req')}`,
      taskId: 'keelson',
      argv: { sh: SCRIPT },
      env: QUIET_ENV,
      stdin: Buffer.from([...paths].map((path) => `${path}\0`).join(''), 'latin1'),
      timeoutMs: TIMEOUT_MS,
    },
    { signal, shouldKill: killsOnAbort, headBytes: MAX_BYTES, tailBytes: 0 },
  )
  const said = Buffer.from(head).toString('latin1').split('\0')
  return new Set(said.filter((path) => paths.has(path)))
}
