import { createContext, useContext, useEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import type { MessageView, TaskView } from '../state.ts'
import { currentTaskIdOf, messagesOf, taskOf, type WorkspaceState } from './workspace-state.ts'
import type { WorkspaceStore } from './workspace-store.ts'

/** The open project’s store; null outside of a project. */
export const WorkspaceContext = createContext<WorkspaceStore | null>(null)

/** The open project's store. Throws outside an open project. */
export function useWorkspaceStore(): WorkspaceStore {
  const store = useContext(WorkspaceContext)
  if (store === null) throw new Error('There is no open project here.')
  return store
}

/**
 * A part of the open project's state. The component is drawn again only when the selected value changes: select values
 * that keep their identity, or pass `isSame`.
 */
export function useView<Value>(
  selector: (state: WorkspaceState) => Value,
  isSame: (a: Value, b: Value) => boolean = Object.is,
): Value {
  const store = useWorkspaceStore()
  const last = useRef<{ value: Value } | null>(null)
  const select = (): Value => {
    const value = selector(store.state)
    if (last.current !== null && isSame(last.current.value, value)) return last.current.value
    last.current = { value }
    return value
  }
  return useSyncExternalStore(store.subscribe, select)
}

/** The task, whole; asks for an ended one that is not known yet. Null while it is not. */
export function useTask(taskId: string | null): TaskView | null {
  const store = useWorkspaceStore()
  useEffect(() => {
    if (taskId !== null) store.needTask(taskId)
  }, [store, taskId])
  return useView((state) => (taskId === null ? null : taskOf(state, taskId)))
}

/** The conversation's messages in order, without the reviewer's. Keeps its identity while no message changed. */
export function useMessages(conversationId: string): readonly MessageView[] {
  const store = useWorkspaceStore()
  const memo = useMemo(() => memoMessages(conversationId), [conversationId])
  return useSyncExternalStore(store.subscribe, () => memo(store.state))
}

/** The id of the task that runs in the conversation, else of its newest. */
export function useCurrentTaskId(conversationId: string | null): string | null {
  return useView((state) => (conversationId === null ? null : currentTaskIdOf(state, conversationId)))
}

/** Computes the list only when one of its sources changed. */
function memoMessages(conversationId: string): (state: WorkspaceState) => readonly MessageView[] {
  let sources: readonly unknown[] = []
  let messages: readonly MessageView[] = []
  return (state) => {
    const { view, whole, histories, replayedMessages, connection } = state
    const next = [view.messages, whole, histories[conversationId], replayedMessages, connection.kind === 'polling']
    if (next.some((source, index) => source !== sources[index])) {
      sources = next
      const made = messagesOf(state, conversationId)
      const isSame = made.length === messages.length && made.every((message, index) => message === messages[index])
      if (!isSame) messages = made
    }
    return messages
  }
}
