/** A project with a lock file whose set-up is one command of a person's, and the activity's own parts around it. */

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ActivityDeps } from '../../../src/activities/deps.ts'
import type { SetupAsk } from '../../../src/activities/planned-set-up.ts'
import type { Db } from '../../../src/db/client.ts'
import { saveEnvironment } from '../../../src/db/workspace/environments.ts'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { aProject, post, takeOver } from '../../support/tasks.ts'
import type { Parts } from '../restore/support.ts'

export const LOCK = '{"lockfileVersion":3}\n'
/** Shows how often it ran, prints more than one piece, and changes what the set-up is made from. */
export const INSTALL = 'echo begun >> begun.log; seq 20000; echo moved >> package-lock.json; sleep 0.5; seq 3'

export interface SetupTask {
  readonly projectId: string
  readonly taskId: string
}

/** A task of a project that `command` sets up. */
export async function aTaskToSetUp(db: Db, parts: Parts, command: string): Promise<SetupTask> {
  const projectId = await aProject(db)
  const { taskId } = await post(db, { projectId })
  await saveEnvironment(db, projectId, 0, {
    network: { policy: 'none', hosts: [] },
    setup: { enabled: true, commands: [{ name: 'npm ci', command }] },
    variables: [],
    services: [],
  })
  const sandbox = await parts.workspaces.open(projectId)
  await sandbox.write([
    { path: 'package.json', data: '{}' },
    { path: 'package-lock.json', data: LOCK },
  ])
  return { projectId, taskId }
}

/** What an attempt at the activity `id` gives to its work; `heard` sees the output that is shown live. */
export async function anAttempt(
  db: Db,
  parts: Parts,
  { projectId, taskId }: SetupTask,
  { attempt = 1, id = 'set-up/1' }: { readonly attempt?: number; readonly id?: string } = {},
): Promise<{ readonly deps: ActivityDeps; readonly ask: SetupAsk; readonly sandbox: Sandbox }> {
  const held = await takeOver(db, { taskId, projectId }, { phase: 'setup', attempt })
  const sandbox = await parts.workspaces.open(projectId)
  const run = {
    ...{ id, activity: 'setUpProject', attempt, onProgress: () => undefined },
    signal: new AbortController().signal,
  }
  const deps = { db, defaultNetwork: 'none', publisher: { publishDelta: () => undefined } } as unknown as ActivityDeps
  return { deps, sandbox, ask: { projectId, scope: held.scope, sandbox, run, attempt: held } }
}

const DYING = fileURLToPath(new URL('./dying-worker.ts', import.meta.url))

/** Sets the task's project up in a process that dies at the crash point; the signal that ended it. */
export async function dieAt(
  { url, dir }: { readonly url: string; readonly dir: string },
  point: string,
  { projectId, taskId }: SetupTask,
): Promise<NodeJS.Signals | null> {
  const child = spawn(process.execPath, ['--import', 'tsx', DYING, url, dir, projectId, taskId, point], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return await new Promise((resolve) => child.once('exit', (_code, signal) => resolve(signal)))
}
