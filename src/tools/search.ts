import { posix } from 'node:path'
import { cleanText } from '../shared/text/clean-text.ts'
import { execIdFor, killsOnAbort, QUIET_ENV, runExec } from './exec.ts'
import { readExitCode, ripgrepCommand, UNREAD_RULES } from './ignore-rules.ts'
import type { ToolContext } from './tool.ts'

const SEARCH_TIMEOUT_MS = 60_000
/** Far more than is shown, so that what is left out can be counted. */
const FETCHED_BYTES = 256 * 1024

const USAGE_ERROR = /^(?:rg: |regex |error[: ])/

/**
 * What ripgrep printed; `complete` is false beyond 256 KB, `note` is a line for the model when no ignore file could be read.
 * A failure's `message` is for the model.
 */
export type SearchResult =
  | { readonly ok: true; readonly lines: readonly string[]; readonly complete: boolean; readonly note: string | null }
  | { readonly ok: false; readonly message: string }

/** How {@link search} is told apart from others of its call, and where it looks. */
interface SearchOptions {
  readonly end?: '\n' | '\0'
  readonly part?: string
  readonly at?: string
  readonly skipped?: readonly string[]
}

/**
 * Runs ripgrep inside the sandbox and returns its output lines, at most 256 KB of them. It honours .gitignore, looks at
 * hidden files, ignores ripgrep's own configuration and sorts by path, so that the same files give the same bytes. The
 * lines are as ripgrep printed them: whoever shows one makes its characters visible. `end` is what ends each of them. `at` is
 * the place searched when `args` name one, `skipped` what the search does not enter. It never waits at an ignore file.
 */
export async function search(
  args: readonly string[],
  cwd: string,
  context: ToolContext,
  options: SearchOptions = {},
): Promise<SearchResult> {
  const { end = '\n', part = '', at = '.', skipped = [] } = options
  const { sandbox, signal } = context
  const { state, ...output } = await runExec(
    sandbox,
    {
      execId: execIdFor(context.taskId, `${context.toolUseId}${part}`),
      taskId: context.taskId,
      argv: ripgrepCommand(
        ['--no-config', '--no-require-git', '--no-messages', '--hidden', '--color=never', '--sort=path', ...args],
        { at, above: depthOf(posix.join(cwd, at)), skipped },
      ),
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
      message: 'The search took longer than 60 s. Narrow it to a directory.',
    }
  if (state.status !== 'exited')
    return { ok: false, message: `The search was interrupted (${state.status}). Try it again.` }
  const { code, isUnread } = readExitCode(state.exitCode)
  if (code === 127)
    return { ok: false, message: 'ripgrep is not installed in this sandbox. Use bash with find or grep.' }
  const lines = text.split(end).filter((line) => line !== '')
  // 1 means nothing found. 2 is either a faulty pattern, said at once, or files that could not be read, which do not
  // matter to the lines that were found.
  if (code !== 0 && USAGE_ERROR.test(lines[0] ?? '')) {
    return { ok: false, message: `The search failed: ${cleanText(lines.slice(0, 8).join('\n'))}` }
  }
  return { ok: true, lines, complete: isWhole, note: isUnread ? UNREAD_RULES : null }
}

function depthOf(path: string): number {
  return path.split('/').filter((part) => part !== '' && part !== '.').length
}

function wholeLines(bytes: Uint8Array, end: string): Uint8Array {
  return bytes.subarray(0, bytes.lastIndexOf(end.charCodeAt(0)) + 1)
}
