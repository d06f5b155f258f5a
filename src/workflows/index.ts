/** What the workflow bundle exports: the workflow types by name. */
export { codingTask } from './coding-task.ts'
export { compareAlternatives } from './compare-alternatives.ts'
export { publishChanges } from './publish-changes.ts'
export { refreshProjectContext } from './refresh-project-context.ts'
export { setUpEnvironment } from './set-up-environment.ts'
