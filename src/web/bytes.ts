import type { CommandView } from './state.ts'

/** Bytes of a base64 text. */
export function bytesOf(base64: string): Uint8Array {
  const characters = atob(base64)
  const bytes = new Uint8Array(characters.length)
  for (let index = 0; index < bytes.length; index++) bytes[index] = characters.charCodeAt(index)
  return bytes
}

/** A command's output as text: the head, and the tail when the middle is missing. Bytes that are no UTF-8 become U+FFFD. */
export function outputText(command: Pick<CommandView, 'chunks' | 'tail' | 'bytes' | 'length'>): string {
  const decoder = new TextDecoder()
  const head = command.chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join('') + decoder.decode()
  if (command.tail === null) return head
  const omitted = command.bytes - command.length - command.tail.length
  return `${head}\n… ${omitted.toLocaleString('en-US')} bytes left out …\n${new TextDecoder().decode(command.tail)}`
}
