/** Tasks whose change a command made: real Postgres and sandbox, no worker, no model. */

import type { Db } from '../../../src/db/client.ts'
import { noReview } from '../../../src/db/task/accept-message.ts'
import { closeTask } from '../../../src/db/task/lifecycle.ts'
import { recordCheckpoint } from '../../../src/db/workspace/checkpoints.ts'
import type { Workspaces } from '../../../src/sandbox/workspaces.ts'
import { newId } from '../../../src/shared/ids.ts'
import { NO_DIFF } from '../../../src/shared/task.ts'
import { run } from '../../contract/sandbox/harness.ts'
import { post, takeOver } from '../../support/tasks.ts'

/** A task of which the command made the change; finished unless `isOver` is false. Returns its id. */
export async function aTaskThat(
  { db, workspaces }: { db: Db; workspaces: Pick<Workspaces, 'open'> },
  projectId: string,
  command: string,
  text = 'Do it',
  { isOver = true, conversationId }: { isOver?: boolean; conversationId?: string } = {},
): Promise<string> {
  const accepted = await post(db, { projectId, text, ...(conversationId === undefined ? {} : { conversationId }) })
  const held = await takeOver(db, accepted)
  const sandbox = await workspaces.open(projectId)
  const record = async (turn: number) => {
    const treeHash = await sandbox.checkpoint()
    await recordCheckpoint(held, { id: newId('ckp'), turn, treeHash, label: 'x', stat: NO_DIFF }, [])
  }
  await record(0)
  await run(sandbox, command)
  await record(1)
  await db.pool.query(`UPDATE messages SET status = 'claimed', turn = 1 WHERE task_id = $1`, [accepted.taskId])
  if (isOver) await closeTask(held, { kind: 'completed', outcome: 'unreviewed', review: noReview(2) })
  return accepted.taskId
}
