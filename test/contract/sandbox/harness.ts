import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecSpec, ExecState, Sandbox, SandboxProvider, SandboxRef } from '../../../src/sandbox/types.ts'

/** What a provider's test file gives to the shared suite. */
export interface ProviderUnderTest {
  readonly provider: SandboxProvider
  /** A second provider on the same sandboxes, as another worker has it. */
  readonly secondProvider: () => SandboxProvider
  /** Claims that not every provider can make; left out means that it makes them. */
  readonly caps?: {
    readonly confinesDevices?: boolean
    readonly hasRipgrep?: boolean
    /** Checkpoints that hold large files, all permissions, empty directories, what git tracks, and git's hooks. */
    readonly keepsWholeTrees?: boolean
  }
}

export interface RunResult {
  readonly state: ExecState
  readonly output: string
}

let lastId = 0

/** An execId that no other command of this test run has. */
export function anExecId(): string {
  return `exec-${process.pid}-${++lastId}`
}

export function aSpec(command: string | readonly string[], spec: Partial<ExecSpec> = {}): ExecSpec {
  const argv = typeof command === 'string' ? { sh: command } : command
  return { execId: anExecId(), taskId: 'tsk_test', argv, timeoutMs: 30_000, ...spec }
}

/** Polls from `cursor` until the command has ended and all its output was read. */
export async function readToEnd(sandbox: Sandbox, execId: string, cursor = 0): Promise<RunResult> {
  const parts: Uint8Array[] = []
  for (let at = cursor, polls = 0; polls < 10_000; polls++) {
    const poll = await sandbox.poll(execId, { cursor: at, maxBytes: 1024 * 1024, waitMs: 10_000 })
    for (const chunk of poll.chunks) parts.push(chunk.data)
    at = poll.cursor
    if (poll.state.status !== 'running' && poll.chunks.length === 0) {
      return { state: poll.state, output: Buffer.concat(parts).toString('utf8') }
    }
  }
  throw new Error('the command did not end within 10,000 polls')
}

export async function run(
  sandbox: Sandbox,
  command: string | readonly string[],
  spec: Partial<ExecSpec> = {},
): Promise<RunResult> {
  const full = aSpec(command, spec)
  await sandbox.start(full)
  return await readToEnd(sandbox, full.execId)
}

/** Waits until the command has printed this text; returns what it has printed. */
export async function waitForOutput(sandbox: Sandbox, execId: string, text: string): Promise<string> {
  return await waitFor(async () => {
    const { chunks } = await sandbox.poll(execId, { cursor: 0, maxBytes: 1024 * 1024, waitMs: 100 })
    const seen = Buffer.concat(chunks.map((chunk) => chunk.data)).toString('utf8')
    return seen.includes(text) ? seen : undefined
  })
}

/** Asks until the answer is not undefined, at most 20 s. */
export async function waitFor<T>(ask: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const deadline = Date.now() + 20_000
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (Date.now() > deadline) throw new Error('the condition did not come true within 20 s')
    await sleep(20)
  }
}

let lastProject = 0

/** A new, empty sandbox. */
export async function aSandbox(provider: SandboxProvider): Promise<{ ref: SandboxRef; sandbox: Sandbox }> {
  const ref = await provider.ensure({ projectId: `prj_${process.pid}_${++lastProject}`, generation: 1 })
  return { ref, sandbox: await provider.open(ref) }
}

export async function textOf(sandbox: Sandbox, path: string): Promise<string> {
  return Buffer.from((await sandbox.read(path)).data).toString('utf8')
}

/** The error's code, or `none` when the call went through. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'none'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}
