import { cancelCommand } from './cancel-task.ts'
import type { Command } from './command.ts'
import { alternativesCommand } from './compare-alternatives.ts'
import { chatCommand, startCommand, statusCommand, stopCommand } from './instance-commands.ts'
import { credentialsCommand } from './keep-credentials.ts'
import { projectsCommand } from './list-projects.ts'
import { tasksCommand } from './list-tasks.ts'
import { openCommand } from './open-page.ts'
import { completionCommand } from './print-completion.ts'
import { patchCommand } from './print-patch.ts'
import { publishCommand } from './publish-task.ts'
import { doctorCommand } from './run-doctor.ts'
import { diffCommand } from './show-task-diff.ts'
import { tokenCommand } from './show-token.ts'

/** All commands of `keelson`, in the order of its help. */
export const COMMANDS: readonly Command[] = [
  startCommand,
  chatCommand,
  statusCommand,
  stopCommand,
  openCommand,
  projectsCommand,
  tasksCommand,
  cancelCommand,
  diffCommand,
  alternativesCommand,
  credentialsCommand,
  publishCommand,
  patchCommand,
  doctorCommand,
  tokenCommand,
  completionCommand,
]
