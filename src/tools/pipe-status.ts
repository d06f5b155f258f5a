/**
 * Tells when an earlier part of one of a command's pipes failed, which the shell's exit code does not say (`make | tail`).
 * The shell's own rules stay: no `pipefail`, no other exit code. Traps print the codes as a control sequence that terminals
 * and `cleanText` leave out, and only when there is something to say. Neither 0 nor SIGPIPE (`yes | head -1`) is.
 */

const SEQUENCE_NAME = 'keelson-pipe'

/** The sequence with the codes in `$1`; nothing is printed into a file or a pipe of the command's own. */
const TELL = `[ -p /dev/fd/2 ] && [ /dev/fd/2 -ef /proc/$$/fd/2 ] && printf "\\033]${SEQUENCE_NAME};%s\\007" "$1" >&2`

/** Sets `__keelson_bad` to the codes of the pipe `$@`, joined by spaces, when any but the last says that it failed. */
const FIND_BAD = [
  '__keelson_bad() { __keelson_bad=; local keelson_code keelson_all=',
  'for keelson_code; do keelson_all+=" $keelson_code"; done',
  'while [ $# -gt 1 ]; do case $1 in 0|141) ;; *) __keelson_bad=${keelson_all# };; esac; shift; done; }',
].join('; ')

/**
 * The end of a shell, of a subshell too. It saves the codes before anything changes them; a trap of the command's own takes
 * its place.
 */
const AT_END = [
  '{ __keelson_end=("$?" "${PIPESTATUS[@]}"); trap - DEBUG; set +xeu; } 2>/dev/null',
  'if [ "${__keelson_end[0]}" = 0 ]; then __keelson_bad "${__keelson_end[@]:1}"',
  '[ "$__keelson_bad" ] && [ $BASHPID = $$ ] && __keelson_bad="last $__keelson_bad"',
  '__keelson_tell "${__keelson_bad:-$__keelson_seen}"; fi',
].join('; ')

/** Commands of a shell that are looked at: a trap before each of a long loop would be what takes its time. */
const MAX_LOOKS = 1_000

/**
 * Before each command the codes of the one before it are there still, until one is found. The first in a subshell sets that one's own trap for
 * its end. What a script may look at (`$_`, `$?`, `PIPESTATUS`) is as it was; tracing (`set -x`) shows none of it.
 */
const BEFORE_EACH = [
  '{ __keelson_pipe=("${PIPESTATUS[@]}") __keelson_last=$_',
  'case ${#__keelson_pipe[@]} in 0|1) ;; *) __keelson_bad "${__keelson_pipe[@]}"; __keelson_seen=$__keelson_bad;; esac',
  'case $BASHPID in "$__keelson_shell") ;; *) __keelson_shell=$BASHPID __keelson_seen=; trap "$__keelson_end" EXIT;; esac',
  `case $((++__keelson_looks))$__keelson_seen in ${MAX_LOOKS}|*" "*) trap - DEBUG;; esac`,
  ': "$__keelson_last"; } 2>/dev/null',
].join('; ')

const PIPE = /(?:^|[^|])\|(?!\|)/
// oxlint-disable-next-line no-control-regex -- the sequence is made of control characters
const SEQUENCE = /\x1b\]keelson-pipe;(last )?(\d{1,3}(?: \d{1,3})+)\x07/g

const VARIABLE = 'KEELSON_PIPE_TRAPS'
const TRAPS = [
  `unset ${VARIABLE}`,
  `__keelson_tell() { case $1 in *" "*) ${TELL};; esac; }`,
  FIND_BAD,
  `__keelson_looks=0 __keelson_seen= __keelson_shell=$$ __keelson_end='${AT_END}'`,
  'trap "$__keelson_end" EXIT',
  `trap '${BEFORE_EACH}' DEBUG`,
  'set -T',
].join('; ')

/** What bash is given: the command itself when it has no pipe. */
export interface CommandWithTraps {
  readonly command: string
  readonly env: Readonly<Record<string, string>>
}

/**
 * The command with the traps set before it. They stand in a variable that the command does not see, so that the line of a
 * syntax error is short, and on its first line, so that line numbers in messages stay. Pure.
 */
export function withPipeStatus(command: string): CommandWithTraps {
  if (!PIPE.test(command)) return { command, env: {} }
  return { command: `eval "$${VARIABLE}"; :; ${command}`, env: { [VARIABLE]: TRAPS } }
}

/** A pipe of a command of which a part failed. */
export interface FailedPipe {
  /** The exit codes of its parts, in order. */
  readonly codes: readonly number[]
  /** The command ended with it, so that the shell's exit code is that of its last part. */
  readonly isLast: boolean
}

/** A pipe of which an earlier part failed, of several the last one told; null: none. `printed` is the end of the output. */
export function readPipeStatus(printed: Uint8Array): FailedPipe | null {
  const text = Buffer.from(printed.buffer, printed.byteOffset, printed.byteLength).toString('latin1')
  const [found] = [...text.matchAll(SEQUENCE)].slice(-1)
  return found === undefined ? null : { codes: found[2]?.split(' ').map(Number) ?? [], isLast: found[1] !== undefined }
}
