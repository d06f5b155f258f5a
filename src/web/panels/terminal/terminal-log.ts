import type { CommandView } from '../../state.ts'

/** How much of a command stands on the screen already. */
export interface ShownCommand {
  readonly toolUseId: string
  /** Bytes of output. */
  readonly bytes: number
  readonly isEnded: boolean
}

/** A piece for the screen: words of ours, or bytes of a command. */
export interface TerminalWrite {
  /** Set for the first piece of a command: where a person jumps to. */
  readonly starts: string | null
  readonly data: string | Uint8Array
}

/** What is to be written, and what stands on the screen after it. */
export interface TerminalStep {
  readonly writes: readonly TerminalWrite[]
  readonly shown: readonly ShownCommand[]
}

const DIM = '\u001b[2m'
const BOLD = '\u001b[1m'
const RED = '\u001b[31m'
const RESET = '\u001b[0m'
/**
 * Ends what a command may have left on, and leaves the cursor where it is: the second screen (without the 1049 that moves
 * the cursor back), then DECSTR for colours, scroll region, hidden cursor and character sets.
 */
const CALM = '\u001b[?47l\u001b[!p'

/**
 * What is still to be written so that the screen shows all commands in the order in which they ran. Null when a command
 * that is not the last one shown has grown, so that the screen has to be written anew (call it again with `shown` empty).
 */
export function nextStep(shown: readonly ShownCommand[], commands: readonly CommandView[]): TerminalStep | null {
  if (shown.some((entry, index) => commands[index]?.toolUseId !== entry.toolUseId)) return null
  const writes: TerminalWrite[] = []
  const after: ShownCommand[] = []
  for (const [index, command] of commands.entries()) {
    const before = shown[index]
    const step = stepOf(before, command)
    const isBehind = index < shown.length - 1
    if (isBehind && step.length > 0) return null
    writes.push(...step)
    after.push({
      toolUseId: command.toolUseId,
      bytes: Math.max(before?.bytes ?? 0, command.length),
      isEnded: command.status !== 'running',
    })
  }
  return { writes, shown: after }
}

function stepOf(before: ShownCommand | undefined, command: CommandView): TerminalWrite[] {
  const writes: TerminalWrite[] = []
  const add = (data: string | Uint8Array): unknown => writes.push({ starts: null, data })
  if (before === undefined) {
    const typed = printable(command.command).replaceAll('\n', '\r\n> ')
    writes.push({ starts: command.toolUseId, data: `${BOLD}$ ${typed}${RESET}\r\n` })
  }
  for (const piece of piecesFrom(command.chunks, before?.bytes ?? 0)) add(piece)
  if (command.status === 'running' || before?.isEnded === true) return writes
  if (command.tail !== null) {
    const leftOut = command.bytes - command.length - command.tail.length
    add(`${CALM}\r\n${DIM}… ${leftOut.toLocaleString('en-US')} bytes left out …${RESET}\r\n`)
    add(command.tail)
  }
  add(`${CALM}\r\n${endOf(command)}\r\n\r\n`)
  return writes
}

/** The bytes after the first `skip` ones. */
function piecesFrom(chunks: readonly Uint8Array[], skip: number): Uint8Array[] {
  const pieces: Uint8Array[] = []
  let offset = 0
  for (const chunk of chunks) {
    const from = Math.max(0, skip - offset)
    if (from < chunk.length) pieces.push(from === 0 ? chunk : chunk.subarray(from))
    offset += chunk.length
  }
  return pieces
}

function endOf(command: CommandView): string {
  const took = command.durationMs === null ? '' : ` after ${(command.durationMs / 1000).toFixed(1)} s`
  switch (command.status) {
    case 'exited':
      return command.exitCode === 0 ? `${DIM}ok${took}${RESET}` : `${RED}exit ${command.exitCode}${took}${RESET}`
    case 'timed_out':
      return `${RED}ended by the time limit${took}${RESET}`
    case 'idle_timed_out':
      return `${RED}ended: no output for too long${RESET}`
    case 'oom':
      return `${RED}ended: out of memory${RESET}`
    case 'lost':
      return `${RED}lost: its outcome is not known${RESET}`
    default:
      return `${DIM}${command.status}${took}${RESET}`
  }
}

/** A command comes from the model: what would steer a terminal is shown as a sign instead. */
function printable(text: string): string {
  return [...text].map((sign) => (isControl(sign) ? controlPicture(sign) : sign)).join('')
}

function isControl(sign: string): boolean {
  const code = sign.codePointAt(0) ?? 0
  return (code < 0x20 && sign !== '\n') || (code >= 0x7f && code < 0xa0)
}

function controlPicture(sign: string): string {
  const code = sign.codePointAt(0) ?? 0
  return code < 0x20 ? String.fromCodePoint(0x2400 + code) : '\u2421'
}
