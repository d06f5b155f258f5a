/** A worker process for crash tests: starts one command, says so, and waits to be killed. */

import { createSandboxProvider } from '../../../src/sandbox/create.ts'

const [dir = '', projectId = '', execId = '', sh = ''] = process.argv.slice(2)
const silent = { info: () => undefined, warn: () => undefined }
const provider = createSandboxProvider({ kind: 'local-bwrap', dir, logger: silent, runnerIdleMs: 5_000 })
const sandbox = await provider.open(await provider.ensure({ projectId, generation: 1 }))
await sandbox.start({ execId, taskId: 'tsk_crash', argv: { sh }, timeoutMs: 60_000 })
process.stdout.write('started\n')
setInterval(() => undefined, 1_000)
