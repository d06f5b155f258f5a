import type { DeltaPayloads, DeltaType, EventScope, ViewerPayloads, ViewerType } from './topics.ts'

/** The JSON object of a frame that has no seq: the envelope's fields first, then the payload's. */
export function encodeUnstored<T extends DeltaType | ViewerType>(
  type: T,
  scope: EventScope,
  payload: T extends DeltaType ? DeltaPayloads[T] : T extends ViewerType ? ViewerPayloads[T] : never,
  at: number = Date.now(),
): string {
  return JSON.stringify({
    v: 1,
    type,
    projectId: scope.projectId,
    ...(scope.conversationId === null ? {} : { conversationId: scope.conversationId }),
    ...(scope.taskId === null ? {} : { taskId: scope.taskId }),
    ...(scope.turn === undefined ? {} : { turn: scope.turn }),
    at,
    ...payload,
  })
}
