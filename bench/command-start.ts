import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createSandboxProvider } from '../src/sandbox/create.ts'
import { ARGS_FD, bwrapArgv } from '../src/sandbox/local-bwrap/argv.ts'
import { lookAtHost } from '../src/sandbox/local-bwrap/host-view.ts'
import { DEFAULT_LIMITS } from '../src/sandbox/local-bwrap/limits.ts'
import { readHardLimits, writeSharedFiles } from '../src/sandbox/local-bwrap/runner-state.ts'
import { percentile } from './client.ts'

const ROUNDS = 60
const BWRAP = '/usr/bin/bwrap'

/**
 * How long a command that does nothing takes from its start to its known end, in milliseconds: through the sandbox whose
 * runner is warm, and by bubblewrap alone with the same mounts, namespaces and filter. They take turns, so that the machine's
 * speed of the moment is the same for both.
 */
export async function commandStartMs(): Promise<{ sandbox: number; bare: number }> {
  const dir = await realpath(await mkdtemp(path.join(tmpdir(), 'keelson-bench-')))
  const logger = { info: () => undefined, warn: () => undefined }
  const provider = createSandboxProvider({ kind: 'local-bwrap', dir: path.join(dir, 'sandboxes'), logger })
  try {
    const ref = await provider.ensure({ projectId: 'prj_bench', generation: 1 })
    const sandbox = await provider.open(ref)
    const bare = await bareCommand(path.join(dir, 'bare'))
    const took = { sandbox: new Array<number>(), bare: new Array<number>() }
    for (let round = 0; round < ROUNDS; round++) {
      const execId = `bench-${round}`
      const startedAt = performance.now()
      let { status } = await sandbox.start({ execId, taskId: 'tsk_bench', argv: ['true'], timeoutMs: 10_000 })
      while (status === 'running') {
        const poll = await sandbox.poll(execId, { cursor: Number.MAX_SAFE_INTEGER, maxBytes: 0, waitMs: 5_000 })
        status = poll.state.status
      }
      const between = performance.now()
      await bare()
      if (round === 0) continue
      took.sandbox.push(between - startedAt)
      took.bare.push(performance.now() - between)
    }
    return { sandbox: percentile(took.sandbox, 0.5), bare: percentile(took.bare, 0.5) }
  } finally {
    await provider.close()
    await rm(dir, { recursive: true, force: true })
  }
}

async function bareCommand(dir: string): Promise<() => Promise<void>> {
  const workspace = path.join(dir, 'workspace')
  await mkdir(workspace, { recursive: true })
  const host = lookAtHost(process.execPath)
  const shared = writeSharedFiles(dir, host, true)
  const { args, command } = bwrapArgv({
    ...shared,
    argv: ['true'],
    cwd: '',
    env: {},
    workspace,
    host,
    limits: DEFAULT_LIMITS,
    hardLimits: readHardLimits(),
  })
  const argsFile = path.join(dir, 'args')
  await writeFile(argsFile, `${args.join('\0')}\0`)
  return async () => {
    const fds = [openSync(argsFile, 'r'), openSync(shared.seccompFile, 'r')]
    try {
      await new Promise<void>((resolve, reject) => {
        // The fourth is where bubblewrap says what it started.
        const stdio = ['ignore' as const, 'ignore' as const, 'inherit' as const, 'pipe' as const, ...fds]
        const child = spawn(BWRAP, ['--args', String(ARGS_FD), '--', ...command], { cwd: '/', env: {}, stdio })
        child.on('error', reject)
        child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`bwrap ended with ${code}`))))
      })
    } finally {
      for (const fd of fds) closeSync(fd)
    }
  }
}
