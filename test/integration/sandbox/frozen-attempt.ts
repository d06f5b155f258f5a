/**
 * An attempt at a task in a process of its own, for tests that freeze it: for each number that it reads, a line each, it
 * changes the files by every way there is until it is refused, and then prints the code.
 */

import { createInterface } from 'node:readline'
import { createSandboxProvider } from '../../../src/sandbox/create.ts'
import { AppError } from '../../../src/shared/errors.ts'

const [dir = '', projectId = '', first = '', second = ''] = process.argv.slice(2)
const silent = { info: () => undefined, warn: () => undefined }
const provider = createSandboxProvider({ kind: 'local-bwrap', dir, logger: silent, runnerIdleMs: 5_000 })
const opened = await provider.open(await provider.ensure({ projectId, generation: 1 }))

async function changeUntilRefused(lease: number): Promise<string> {
  try {
    const sandbox = await opened.fenced(lease)
    process.stdout.write('begun\n')
    for (let i = 0; ; i++) {
      await sandbox.write(Array.from({ length: 5 }, (_, n) => ({ path: `f${n}`, data: `late ${lease}` })))
      await sandbox.restore(i % 2 === 0 ? first : second)
      await sandbox.remove('f0')
      const execId = `late-${lease}-${i}`
      await sandbox.start({ execId, taskId: 'tsk_frozen', argv: { sh: 'echo late >> f1' }, timeoutMs: 5_000 })
    }
  } catch (error) {
    return error instanceof AppError ? error.code : String(error)
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${await changeUntilRefused(Number(line))}\n`)
}
await provider.close()
