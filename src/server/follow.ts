import { getTask } from '../db/task/tasks.ts'
import type { JoinRequest } from '../events/hub.ts'
import { isOver } from '../shared/task.ts'
import type { AppDeps } from './deps.ts'
import type { SseConnection } from './sse-connection.ts'

/**
 * Lets a stream follow a project or a task until either side ends it. Never rejects: when the events cannot be read the
 * stream is cut, and the reader comes back with its cursor.
 */
export async function follow(
  deps: Pick<AppDeps, 'db' | 'hub' | 'log'>,
  connection: SseConnection,
  request: JoinRequest,
): Promise<void> {
  const { db, hub, log } = deps
  try {
    const joined = await hub.join(request, connection)
    connection.onClose(() => joined.leave())
    if (request.taskId === undefined || !connection.isOpen) return
    const task = await getTask(db, request.taskId)
    if (!isOver(task.status)) return
    // The task had ended when it was looked at. Either its last event is on its way, or the reader has seen it before.
    await joined.feed.catchUp()
    connection.end('finished')
  } catch (error) {
    log.warn({ err: error, projectId: request.projectId, taskId: request.taskId }, 'a stream was cut')
    connection.cut('failed')
  }
}
