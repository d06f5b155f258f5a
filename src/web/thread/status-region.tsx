import { useEffect, useRef, useState } from 'react'
import { useCurrentTaskId, useView } from '../store/use-view.ts'
import { isOverView, taskOf } from '../store/workspace-state.ts'
import { endingOf } from './ending.ts'
import { nowText } from './now-text.ts'

/** Screen readers hear the state of things, at most this often, and never the stream itself. */
const PACE_MS = 2_000

/** What the task does, spoken politely. */
export function StatusRegion({ conversationId }: { conversationId: string }) {
  const taskId = useCurrentTaskId(conversationId)
  const text = useView((state) => {
    const task = taskId === null ? null : taskOf(state, taskId)
    if (task === null) return ''
    return isOverView(task) ? `Task ended: ${endingOf(task).title}` : nowText(task)
  })
  return (
    <p role="status" aria-live="polite" className="sr-only">
      {useThrottled(text, PACE_MS)}
    </p>
  )
}

function useThrottled(text: string, paceMs: number): string {
  const [shown, setShown] = useState(text)
  const lastAt = useRef(0)
  useEffect(() => {
    const waitMs = Math.max(0, lastAt.current + paceMs - Date.now())
    const timer = setTimeout(() => {
      lastAt.current = Date.now()
      setShown(text)
    }, waitMs)
    return () => clearTimeout(timer)
  }, [text, paceMs])
  return shown
}
