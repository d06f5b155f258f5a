import type { TaskView } from '../state.ts'
import { revealHidden } from '../text/reveal-hidden.ts'

const MAX_COMMAND = 60

/** What a running task does now, in a few words; also what the page's title and its status region say. */
export function nowText(task: TaskView): string {
  if (task.status === 'cancelling') return 'Stopping …'
  if (task.status === 'accepted')
    return task.waitingFor === null ? 'Starting …' : 'Waiting for another task of this project …'
  if (task.status === 'needs_answer') return 'The agent needs an answer.'
  if (task.retrying !== null) return `The model does not answer; asking again (attempt ${task.retrying.attempt}) …`
  if (task.silence !== null) {
    const what = task.silence.isWithinReply ? 'pauses within its reply' : 'is still reading the prompt'
    return `The model ${what} (${Math.round(task.silence.ms / 1_000)} s) …`
  }
  const command = task.commands.findLast((known) => known.status === 'running')
  switch (task.phase) {
    case 'preparing':
      return task.sandbox?.detail === undefined ? 'Preparing the sandbox …' : `${task.sandbox.detail} …`
    case 'setup':
      return 'Installing what the project needs …'
    case 'context':
      return 'Learning the project …'
    case 'checking':
      return `Review ${task.round}: running the checks …`
    case 'reviewing':
      return `Review ${task.round}: reading the change …`
    case 'finishing':
    case 'done':
      return 'Finishing …'
    case 'working':
    case 'fixing': {
      if (command !== undefined) return `Running ${shortened(command.command)} …`
      return task.phase === 'fixing'
        ? `Fixing what review ${task.round} found, turn ${task.turn} …`
        : `Working, turn ${task.turn} …`
    }
  }
}

function shortened(command: string): string {
  const line = revealHidden(command.split('\n', 1)[0] ?? '')
  return line.length > MAX_COMMAND ? `${line.slice(0, MAX_COMMAND)}…` : line
}
