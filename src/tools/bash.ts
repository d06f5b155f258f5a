import { z } from 'zod'
import type { ExecState } from '../sandbox/types.ts'
import { showOutput } from '../shared/text/clean-text.ts'
import { defineTool } from './define-tool.ts'
import { execIdFor, killsOnAbort, QUIET_ENV, runExec } from './exec.ts'
import { type FailedPipe, readPipeStatus, withPipeStatus } from './pipe-status.ts'

const DEFAULT_TIMEOUT_MS = 120_000
const MAX_TIMEOUT_MS = 600_000
/** Twice this is what the model sees of one command: 30 KB, its head and its tail. */
const SHOWN_BYTES = 15_000

const BashInputSchema = z.strictObject({
  command: z.string().min(1).max(100_000).describe('The command, run by bash in the root of the workspace.'),
  timeout: z
    .number()
    .int()
    .min(1)
    .max(MAX_TIMEOUT_MS)
    .optional()
    .describe(`Limit in milliseconds, default ${DEFAULT_TIMEOUT_MS}, at most ${MAX_TIMEOUT_MS}.`),
  description: z.string().max(500).optional().describe('What the command does, in five to ten words.'),
})

type BashInput = z.infer<typeof BashInputSchema>

/**
 * Runs one command under the tool-use id, so that a repeat attaches to it and never runs it twice. The result's first
 * line says how it ended, also when an earlier part of a pipe failed; anything but exit code 0 is an error for the
 * model.
 */
export const bash = defineTool<BashInput>({
  name: 'bash',
  description: [
    'Runs a command in the sandbox and returns how it ended and what it printed (standard output and error together).',
    'Each call is a new process that starts in the root of the workspace: use `cd dir && …` within one call, and nothing',
    'set in one call is there in the next. There is no terminal and no input, so pass flags that keep programs from',
    'asking. Processes left in the background end with the command (the service tool keeps a server up). There is no network unless the project grants it.',
    'Long output is cut in the middle; narrow it with head, tail or grep. Use read, glob and grep to look at files.',
  ].join('\n'),
  schema: BashInputSchema,
  readOnly: false,
  async run(input, context) {
    const { sandbox, signal } = context
    signal.throwIfAborted()
    await context.begin({ kind: 'command', command: input.command, cwd: '.' })
    const { command, env } = withPipeStatus(input.command)
    const ended = await runExec(
      sandbox,
      {
        execId: execIdFor(context.taskId, context.toolUseId),
        taskId: context.taskId,
        argv: { sh: command },
        env: { ...QUIET_ENV, ...env },
        timeoutMs: input.timeout ?? DEFAULT_TIMEOUT_MS,
        network: true,
        reachesServices: true,
      },
      {
        signal,
        shouldKill: killsOnAbort,
        onOutput: (offset, data) => context.onOutput(offset, data),
        onProgress: () => context.onProgress(),
        headBytes: SHOWN_BYTES,
        tailBytes: SHOWN_BYTES,
      },
    )
    const { state } = ended
    const pipe = state.exitCode === 0 ? readPipeStatus(Buffer.concat([ended.head, ended.tail])) : null
    const how = `${howItEnded(state, input.timeout ?? DEFAULT_TIMEOUT_MS)}${pipe === null ? '' : pipeNote(pipe)}`
    const printed = showOutput(ended, ' run a narrower command to see them').trimEnd()
    return {
      content: `${how}${state.reason === undefined ? '' : ` (${state.reason})`}\n${printed === '' ? '(no output)' : printed}`,
      isError: state.status !== 'exited' || state.exitCode !== 0,
      exec: state,
    }
  },
})

/** A pipe's exit code is that of its last part; `make | tail` looks like success whatever make did. */
function pipeNote({ codes, isLast }: FailedPipe): string {
  return isLast
    ? ` (that of the last part of the pipe; an earlier part failed: exit codes ${codes.join(', ')})`
    : ` (a pipe within the command hides a failure of an earlier part of it: exit codes ${codes.join(', ')})`
}

function howItEnded(state: ExecState, timeoutMs: number): string {
  switch (state.status) {
    case 'exited':
      return state.signal === null ? `exit code: ${state.exitCode}` : `ended by signal ${state.signal}`
    case 'timed_out':
      return `timed out: ended after its limit of ${timeoutMs} ms. What it did until then stays done.`
    case 'idle_timed_out':
      return 'timed out: ended because it printed nothing for too long. What it did until then stays done.'
    case 'killed':
      return 'killed before it ended. What it did until then stays done.'
    case 'oom':
      return 'killed because it used more memory than the sandbox allows.'
    case 'lost':
      return 'outcome unknown: the sandbox lost track of this command. It may have run whole, in part or not at all. Check the state before repeating it.'
    case 'running':
      throw new Error(`command ${state.execId} was taken for ended while it runs`)
  }
}
