import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createSandboxProvider } from '../src/sandbox/create.ts'
import { percentile } from './client.ts'

const ROUNDS = 20
/** Each line is one question in milliseconds, by the command's own clock. */
const ASK = `for n in $(seq ${ROUNDS}); do before=\${EPOCHREALTIME/./}; curl -sS https://unlisted.example >/dev/null 2>&1; echo $(( (\${EPOCHREALTIME/./} - before) / 1000 )); done`

/** How long curl, started anew each time, takes until it is told that a host is not allowed, in milliseconds. */
export async function deniedHostMs(): Promise<number> {
  const dir = await realpath(await mkdtemp(path.join(tmpdir(), 'keelson-bench-')))
  const logger = { info: () => undefined, warn: () => undefined }
  const provider = createSandboxProvider({ kind: 'local-bwrap', dir: path.join(dir, 'sandboxes'), logger })
  try {
    const sandbox = await provider.open(await provider.ensure({ projectId: 'prj_bench', generation: 1 }))
    await sandbox.network({ policy: 'registries', hosts: [] })
    const execId = 'denied'
    const spec = { execId, taskId: 'tsk_bench', argv: { sh: ASK }, timeoutMs: 60_000, network: true }
    let { status } = await sandbox.start(spec)
    while (status === 'running') {
      const poll = await sandbox.poll(execId, { cursor: Number.MAX_SAFE_INTEGER, maxBytes: 0, waitMs: 5_000 })
      status = poll.state.status
    }
    const { head } = await sandbox.output(execId, { headBytes: 4_096, tailBytes: 0 })
    const took = Buffer.from(head)
      .toString('utf8')
      .split('\n')
      .filter((line) => /^\d+$/.test(line))
      .map(Number)
    if (took.length !== ROUNDS) throw new Error('a command of the benchmark failed')
    return percentile(took, 0.5)
  } finally {
    await provider.close()
    await rm(dir, { recursive: true, force: true })
  }
}
