import { useEffect, useState } from 'react'
import { WorkspaceStore } from '../store/workspace-store.ts'
import { type StreamSlot, takeStreamSlot } from './stream-slots.ts'

/** Frames stand still in a hidden page; what the title and the notices need comes at this pace then. */
const HIDDEN_MS = 250
/** A glance at another tab costs no new connection. */
const REST_AFTER_MS = 10_000

function schedule(notify: () => void): void {
  if (document.hidden) setTimeout(notify, HIDDEN_MS)
  else requestAnimationFrame(notify)
}

/** The store of the open project: opened with it, closed with it, awake when the page is. */
export function useWorkspace(projectId: string): WorkspaceStore | null {
  const [store, setStore] = useState<WorkspaceStore | null>(null)
  useEffect(() => {
    const made = new WorkspaceStore({ projectId, schedule })
    setStore(made)
    void made.open()
    const stopWatching = watchVisibility(made)
    return () => {
      stopWatching()
      made.close()
    }
  }, [projectId])
  return store?.state.projectId === projectId ? store : null
}

function watchVisibility(store: WorkspaceStore): () => void {
  let slot: StreamSlot | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  const hide = async (): Promise<void> => {
    const taken = await takeStreamSlot()
    if (!document.hidden) taken?.release()
    else if (taken === null) store.rest()
    else slot = taken
  }
  const onChange = (): void => {
    clearTimeout(timer)
    if (document.hidden) {
      timer = setTimeout(() => void hide(), REST_AFTER_MS)
      return
    }
    slot?.release()
    slot = null
    store.wake()
  }
  document.addEventListener('visibilitychange', onChange)
  window.addEventListener('online', onChange)
  return () => {
    clearTimeout(timer)
    slot?.release()
    document.removeEventListener('visibilitychange', onChange)
    window.removeEventListener('online', onChange)
  }
}
