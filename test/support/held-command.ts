import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestStack } from './stack.ts'

/** A command that runs until {@link letGo}: a test does in between what it wants, however slow the machine is. It leaves no change. */
export const HELD = 'while [ ! -e go ]; do sleep 0.05; done; rm go'

/** Ends the {@link HELD} command that runs in a project, or the next one. */
export function letGo(stack: TestStack, projectId: string): void {
  writeFileSync(join(workspaceOf(stack, projectId), 'go'), '')
}

/** The host's directory of a project's files, which exist. */
export function workspaceOf({ home }: TestStack, projectId: string): string {
  const generations = join(home, 'sandboxes', 'projects', projectId)
  const [generation = ''] = readdirSync(generations)
  return join(generations, generation, 'workspace')
}
