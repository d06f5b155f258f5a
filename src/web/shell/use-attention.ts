import { useEffect, useRef } from 'react'
import { useView } from '../store/use-view.ts'
import { isOverView, taskOf } from '../store/workspace-state.ts'
import { endingOf } from '../thread/ending.ts'
import { readStored, writeStored } from './stored.ts'

type Mood = 'idle' | 'works' | 'needs' | 'asks' | 'done' | 'failed'

const MARKS: Readonly<Record<Mood, string>> = {
  idle: '',
  works: '● ',
  needs: '! ',
  asks: '? Needs an answer · ',
  done: '✓ ',
  failed: '× ',
}
const COLOURS: Readonly<Record<Mood, string>> = {
  idle: '#6a655c',
  works: '#2353a8',
  needs: '#b46a00',
  asks: '#b46a00',
  done: '#146336',
  failed: '#a8231b',
}

/** The tab's title and icon say what the task does; its end is told by a notice when nobody looks. */
export function useAttention(title: string, taskId: string | null): void {
  const mood = useView((state): Mood => {
    const task = taskId === null ? null : taskOf(state, taskId)
    if (task === null) return 'idle'
    if (task.status === 'needs_budget') return 'needs'
    if (task.status === 'needs_answer') return 'asks'
    if (!isOverView(task)) return 'works'
    return task.status === 'failed' ? 'failed' : 'done'
  })
  const ending = useView((state) => {
    const task = taskId === null ? null : taskOf(state, taskId)
    return task !== null && isOverView(task) ? endingOf(task).title : null
  })
  useEffect(() => {
    document.title = `${MARKS[mood]}${title} · Keelson`
    document.querySelector('#favicon')?.setAttribute('href', iconOf(COLOURS[mood]))
  }, [mood, title])
  const last = useRef<{ taskId: string | null; mood: Mood }>({ taskId, mood })
  useEffect(() => {
    const before = last.current
    last.current = { taskId, mood }
    if (before.taskId !== taskId || before.mood === mood || !document.hidden) return
    if (mood === 'needs') notify(title, 'The budget is reached; the task waits for you.')
    else if (mood === 'asks') notify(title, 'The agent needs an answer; the task waits for you.')
    else if (mood === 'done' || mood === 'failed') notify(title, ending ?? 'The task ended.')
  }, [taskId, mood, title, ending])
}

function iconOf(colour: string): string {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="${colour}"/><path d="M9 7v18M23 7L11 16l12 9" fill="none" stroke="#fff" stroke-width="3.4" stroke-linecap="round" stroke-linejoin="round"/></svg>`
  return `data:image/svg+xml,${encodeURIComponent(svg)}`
}

function notify(title: string, body: string): void {
  if (!('Notification' in window) || Notification.permission !== 'granted') return
  try {
    const notice = new Notification(title, { body, tag: 'keelson' })
    notice.addEventListener('click', () => window.focus())
  } catch {
    // Some browsers only let a service worker do this; the title says it too.
  }
}

/** Asks once, on the person's own act of sending a message. */
export function askForNotices(): void {
  if (!('Notification' in window) || Notification.permission !== 'default' || readStored('notices') !== null) return
  writeStored('notices', 'asked')
  void Notification.requestPermission().catch(() => undefined)
}
