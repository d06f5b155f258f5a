import { cleanText } from '../shared/text/clean-text.ts'
import { execIdFor, killsOnAbort, QUIET_ENV, runExec } from './exec.ts'
import type { ToolContext } from './tool.ts'

const SEARCH_TIMEOUT_MS = 60_000
/** Far more than is shown, so that what is left out can be counted. */
const FETCHED_BYTES = 256 * 1024

const USAGE_ERROR = /^(?:rg: |regex |error[: ])/

/** What ripgrep printed; `complete` is false beyond 256 KB. A failure's `message` is for the model. */
export type SearchResult =
  | { readonly ok: true; readonly lines: readonly string[]; readonly complete: boolean }
  | { readonly ok: false; readonly message: string }

/**
 * Runs ripgrep inside the sandbox and returns its output lines, at most 256 KB of them. It honours .gitignore, looks at
 * hidden files, ignores ripgrep's own configuration and sorts by path, so that the same files give the same bytes. The
 * lines are as ripgrep printed them: whoever shows one makes its characters visible. `end` is what ends each of them.
 */
export async function search(
  args: readonly string[],
  cwd: string,
  context: ToolContext,
  { end = '\n', part = '' }: { readonly end?: '\n' | '\0'; readonly part?: string } = {},
): Promise<SearchResult> {
  const { sandbox, signal } = context
  const { state, ...output } = await runExec(
    sandbox,
    {
      execId: execIdFor(context.taskId, `${context.toolUseId}${part}`),
      taskId: context.taskId,
      argv: [
        'rg',
        '--no-config',
        '--no-require-git',
        '--no-messages',
        '--hidden',
        '--color=never',
        '--sort=path',
        ...args,
      ],
      cwd,
      env: QUIET_ENV,
      timeoutMs: SEARCH_TIMEOUT_MS,
    },
    {
      signal,
      shouldKill: killsOnAbort,
      onProgress: () => context.onProgress(),
      headBytes: FETCHED_BYTES,
      tailBytes: 0,
    },
  )
  const isWhole = output.omittedBytes === 0
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(
    isWhole ? output.head : wholeLines(output.head, end),
  )
  if (state.status === 'timed_out')
    return {
      ok: false,
      message:
        'The search took longer than 60 s. Narrow it to a directory. A pipe in the place of a .gitignore keeps it waiting ' +
        'too: find . -name .gitignore ! -type f',
    }
  if (state.status !== 'exited')
    return { ok: false, message: `The search was interrupted (${state.status}). Try it again.` }
  if (state.exitCode === 127)
    return { ok: false, message: 'ripgrep is not installed in this sandbox. Use bash with find or grep.' }
  const lines = text.split(end).filter((line) => line !== '')
  // 1 means nothing found. 2 is either a faulty pattern, said at once, or files that could not be read, which do not
  // matter to the lines that were found.
  if (state.exitCode !== 0 && USAGE_ERROR.test(lines[0] ?? '')) {
    return { ok: false, message: `The search failed: ${cleanText(lines.slice(0, 8).join('\n'))}` }
  }
  return { ok: true, lines, complete: isWhole }
}

function wholeLines(bytes: Uint8Array, end: string): Uint8Array {
  return bytes.subarray(0, bytes.lastIndexOf(end.charCodeAt(0)) + 1)
}
