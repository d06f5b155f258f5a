import { existsSync } from 'node:fs'

const BASH = '/bin/bash'
const CLOSE_OTHERS =
  'for fd in /proc/self/fd/*; do fd=${fd##*/}; if [ "$fd" -gt 2 ]; then eval "exec $fd>&-"; fi; done; exec "$@"'

/**
 * A command line that starts the same program, in the same process, with standard input, output and error and no other
 * descriptor: Node passes on those above 15 that it was itself started with. Where there is no /proc or no bash, the command
 * itself.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @returns {{ command: string, args: readonly string[] }}
 */
export function withoutDescriptors(command, args) {
  if (process.platform !== 'linux' || !existsSync(BASH)) return { command, args }
  return { command: BASH, args: ['-c', CLOSE_OTHERS, 'bash', command, ...args] }
}
