import type { Sandbox } from '../sandbox/types.ts'
import { AppError } from '../shared/errors.ts'

/** The beginning of a file that is asked for by name, decoded by its byte order mark. */
export interface InputText {
  readonly text: string
  /** The file is longer than what was asked for: what is parsed must not be taken from it. */
  readonly isCut: boolean
}

/**
 * The first `maxBytes` of a file as text, cut between two characters; null when there is no such regular file in the
 * workspace (a link that stays inside is followed). Throws what the sandbox as a whole cannot do. Safe to repeat.
 */
export async function readInput(sandbox: Sandbox, path: string, maxBytes: number): Promise<InputText | null> {
  try {
    const { data, sizeBytes } = await sandbox.read(path, { offset: 0, length: maxBytes })
    const isCut = sizeBytes > data.length
    // With `stream` the decoder keeps the beginning of a character that was cut to itself.
    return { text: new TextDecoder(encodingOf(data)).decode(data, { stream: isCut }), isCut }
  } catch (error) {
    if (error instanceof AppError && error.code === 'sandbox_bad_request') return null
    throw error
  }
}

/** By the byte order mark, which some editors and shells write: without one it is UTF-8. */
function encodingOf(data: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (data[0] === 0xff && data[1] === 0xfe) return 'utf-16le'
  return data[0] === 0xfe && data[1] === 0xff ? 'utf-16be' : 'utf-8'
}

/** Whether there is anything of this name. Safe to repeat. */
export async function exists(sandbox: Sandbox, path: string): Promise<boolean> {
  try {
    return (await sandbox.stat(path)) !== null
  } catch (error) {
    if (error instanceof AppError && error.code === 'sandbox_bad_request') return false
    throw error
  }
}
