/**
 * Tells when an earlier part of a command's last pipe failed, which the shell's exit code does not say (`make | tail`).
 * The shell's own rules stay: no `pipefail`, no other exit code. A trap at the shell's exit prints the codes as a control
 * sequence that terminals and `cleanText` leave out, and only when there is something to say.
 */

const SEQUENCE_NAME = 'keelson-pipe'

/**
 * On the command's first line, so that line numbers in messages stay. It saves the codes before anything changes them,
 * prints nothing into a file (`exec 2>log`), and counts neither 0 nor SIGPIPE (`yes | head -1`). A trap of the command's
 * own takes its place.
 */
const TRAP = [
  '{ __keelson_pipe=("$?" "${PIPESTATUS[@]}"); set +xeu; } 2>/dev/null',
  'if [ "${__keelson_pipe[0]}" = 0 ] && [ -p /dev/fd/2 ]; then for __keelson_code in "${__keelson_pipe[@]:1}"',
  `do case $__keelson_code in 0|141) ;; *) printf "\\033]${SEQUENCE_NAME};%s\\007" "\${__keelson_pipe[*]:1}" >&2; break;; esac`,
  'done; fi',
].join('; ')

const PIPE = /(?:^|[^|])\|(?!\|)/
// oxlint-disable-next-line no-control-regex -- the sequence is made of control characters
const SEQUENCE = /\x1b\]keelson-pipe;(\d{1,3}(?: \d{1,3})+)\x07/

/** The command as bash is given it: unchanged when it has no pipe. */
export function withPipeStatus(command: string): string {
  return PIPE.test(command) ? `trap '${TRAP}' EXIT; ${command}` : command
}

/** The exit codes of the last pipe's parts when an earlier one failed, else null. `tail` is the end of what was printed. */
export function readPipeStatus(tail: Uint8Array): number[] | null {
  const found = SEQUENCE.exec(Buffer.from(tail.buffer, tail.byteOffset, tail.byteLength).toString('latin1'))
  return found?.[1]?.split(' ').map(Number) ?? null
}
