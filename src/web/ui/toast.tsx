import { X } from 'lucide-react'
import { useSyncExternalStore } from 'react'
import { faultOf } from '../api/fault.ts'
import { classNames } from './class-names.ts'
import { IconButton } from './icon-button.tsx'

interface Toast {
  readonly id: number
  readonly text: string
  readonly tone: 'plain' | 'bad'
}

const MAX_TOASTS = 3
const SHOWN_MS = 6_000

let toasts: readonly Toast[] = []
let lastId = 0
const listeners = new Set<() => void>()

function set(next: readonly Toast[]): void {
  toasts = next
  for (const listener of listeners) listener()
}

function add(text: string, tone: Toast['tone']): void {
  lastId++
  const id = lastId
  set([...toasts, { id, text, tone }].slice(-MAX_TOASTS))
  setTimeout(() => dismiss(id), tone === 'bad' ? 2 * SHOWN_MS : SHOWN_MS)
}

function dismiss(id: number): void {
  set(toasts.filter((toast) => toast.id !== id))
}

/** Says in a corner that something was done; gone after six seconds. At most three stand at once. */
export function showToast(text: string): void {
  add(text, 'plain')
}

/** Says in a corner what failed, for failures that have no better place. */
export function showFault(error: unknown): void {
  add(faultOf(error).message, 'bad')
}

/** Stands once in the page. */
export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => toasts,
  )
  return (
    <section
      aria-label="Notices"
      aria-live="polite"
      className="pointer-events-none fixed right-3 bottom-16 z-50 flex w-80 max-w-[calc(100vw-1.5rem)] flex-col gap-2"
    >
      {shown.map((toast) => (
        <div
          key={toast.id}
          className={classNames(
            'pointer-events-auto flex items-start gap-2 rounded-lg border border-line bg-raised py-2 pr-1.5 pl-3 text-sm shadow-pop animate-appear',
            toast.tone === 'bad' && 'text-bad',
          )}
        >
          <span className="min-w-0 flex-1 py-0.5 break-words">{toast.text}</span>
          <IconButton
            label="Dismiss"
            hasTooltip={false}
            size="small"
            icon={<X className="size-3.5" />}
            onClick={() => dismiss(toast.id)}
          />
        </div>
      ))}
    </section>
  )
}
