/** What the tests of a set-up that are not about dying processes stand on: a database, a host, and sandboxes to set up. */

import { MockActivityEnvironment } from '@temporalio/testing'
import { DefaultLogger } from '@temporalio/worker'
import { afterAll, beforeAll } from 'vitest'
import { setUp } from '../../../src/activities/set-up.ts'
import type { Db } from '../../../src/db/client.ts'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { post } from '../../support/tasks.ts'
import { type Parts, partsOf } from '../restore/support.ts'
import { aHost } from '../sandbox/support.ts'
import { anAttempt, type SetupTask } from './world.ts'

export interface SetupBench {
  readonly db: TestDb
  readonly host: ReturnType<typeof aHost>
  readonly parts: Parts
}

/** There from the first test of the file on, gone after its last. */
export function aSetupBench(): SetupBench {
  const bench = {} as { -readonly [Key in keyof SetupBench]: SetupBench[Key] }
  beforeAll(async () => {
    bench.db = await aDb()
    bench.host = aHost()
    bench.parts = partsOf(bench.db, bench.host.dir)
  }, 60_000)
  afterAll(async () => {
    await bench.parts.close()
    await bench.db.close()
    await bench.host.close()
  })
  return bench
}

/** A sandbox of a project that holds these files, of the generation that is named. */
export async function aFilledSandbox(
  { parts }: SetupBench,
  { projectId, generation }: { readonly projectId: string; readonly generation: number },
  files: Readonly<Record<string, string>>,
): Promise<Sandbox> {
  // It is filled now, and not after these files were written.
  await parts.workspaces.open(projectId)
  const sandbox = await parts.provider.open(await parts.provider.ensure({ projectId, generation }))
  await sandbox.write(Object.entries(files).map(([path, data]) => ({ path, data })))
  return sandbox
}

const QUIET = new DefaultLogger('ERROR', () => undefined)
let runs = 0

/** Sets the sandbox up as a task of its own, which goes on. */
export async function setUpAsTask({ db, parts }: SetupBench, projectId: string, sandbox: Sandbox): Promise<SetupTask> {
  const { taskId } = await post(db, { projectId })
  const { deps, ask } = await anAttempt(db, parts, { projectId, taskId }, { id: `set-up/bench-${++runs}` })
  await new MockActivityEnvironment({}, { logger: QUIET }).run(() => setUp(deps, { ...ask, sandbox }))
  return { projectId, taskId }
}

/** Makes room for the project's next task. */
export async function endTask({ pool }: Pick<Db, 'pool'>, { projectId, taskId }: SetupTask): Promise<void> {
  await pool.query(`UPDATE tasks SET status = 'completed' WHERE id = $1`, [taskId])
  await pool.query(`UPDATE projects SET active_task_id = NULL WHERE id = $1`, [projectId])
}
