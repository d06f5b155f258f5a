import { Check, ChevronRight, Circle, CircleDot, Minus } from 'lucide-react'
import type { ReactNode } from 'react'
import type { PlanItem, PlanState } from '../../shared/plan.ts'
import { VisibleText } from '../code/visible-text.tsx'
import { useTask } from '../store/use-view.ts'
import { isOverView } from '../store/workspace-state.ts'

const ICONS: Readonly<Record<PlanState, ReactNode>> = {
  pending: <Circle aria-hidden="true" className="size-3.5 text-faint" />,
  in_progress: <CircleDot aria-hidden="true" className="size-3.5 text-accent" />,
  done: <Check aria-hidden="true" className="size-3.5 text-good" />,
  dropped: <Minus aria-hidden="true" className="size-3.5 text-faint" />,
}

/** The running task's plan above the composer: the step it is at, and all of them on demand. */
export function PlanBar({ taskId }: { taskId: string | null }) {
  const task = useTask(taskId)
  if (task === null || task.plan.length === 0 || isOverView(task)) return null
  const settled = task.plan.filter(({ state }) => state === 'done' || state === 'dropped').length
  const now =
    task.plan.find(({ state }) => state === 'in_progress') ?? task.plan.find(({ state }) => state === 'pending')
  return (
    <details aria-label="Plan" className="group mx-3 mb-1 rounded-lg border border-line bg-surface text-sm">
      <summary className="flex cursor-pointer list-none items-center gap-2 px-3 py-1.5 text-muted">
        <ChevronRight aria-hidden="true" className="size-3.5 shrink-0 transition-transform group-open:rotate-90" />
        <span className="min-w-0 flex-1 truncate">
          Plan: <VisibleText text={now?.text ?? 'all steps are settled'} />
        </span>
        <span className="shrink-0 text-xs tabular-nums">
          {settled} of {task.plan.length}
        </span>
      </summary>
      <ol className="max-h-48 overflow-y-auto px-3 pb-2">
        {task.plan.map((item, index) => (
          <Item key={`${index}:${item.text}`} item={item} />
        ))}
      </ol>
    </details>
  )
}

function Item({ item: { text, state } }: { item: PlanItem }) {
  const isSettled = state === 'done' || state === 'dropped'
  return (
    <li className="flex items-center gap-2 py-0.5">
      {ICONS[state]}
      <span className={isSettled ? 'min-w-0 text-muted line-through' : 'min-w-0'}>
        <VisibleText text={text} />
      </span>
      <span className="sr-only">{state.replace('_', ' ')}</span>
    </li>
  )
}
