import { join } from 'node:path'
import { withoutModelSecrets } from './child-env.mjs'
import { ROOT } from './paths.mjs'
import { runForeground } from './run-foreground.mjs'
import { typed } from './typed.mjs'

/**
 * Runs the terminal's client, which finds the server and its token in the home directory's `state.json`.
 *
 * @param {{ home: string, settings: NodeJS.ProcessEnv, args: readonly string[], signal: AbortSignal }} options
 * @returns {Promise<number>} its exit code
 */
export function runChat({ home, settings, args, signal }) {
  const program = join(ROOT, 'dist', 'cli', 'chat.js')
  return runForeground(process.execPath, [program, ...args], {
    cwd: process.cwd(),
    env: { ...withoutModelSecrets(settings), KEELSON_HOME: home, KEELSON_TYPED: typed('chat') },
    signal,
  })
}
