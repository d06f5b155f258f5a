import { createHash } from 'node:crypto'

/**
 * The exec id of a tool call: its task's id and its own, since only Anthropic's ids are unique beyond a task. A digest
 * where that is not what the sandbox accepts as an exec id. Pure.
 */
export function execIdFor(taskId: string, toolUseId: string): string {
  const plain = `${taskId}.${toolUseId}`
  if (/^[A-Za-z0-9_.-]{1,128}$/.test(plain)) return plain
  return `call-${createHash('sha256').update(plain).digest('hex')}`
}
