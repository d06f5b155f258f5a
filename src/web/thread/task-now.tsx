import { Gauge } from 'lucide-react'
import { useState } from 'react'
import { api } from '../api/client.ts'
import { NeedsAnswer } from '../people/needs-answer.tsx'
import type { TaskView } from '../state.ts'
import { Button } from '../ui/button.tsx'
import { formatCost } from '../ui/format.ts'
import { Spinner } from '../ui/spinner.tsx'
import { showFault } from '../ui/toast.tsx'
import { nowText } from './now-text.ts'

/** What a task that is not over does at this moment, or what it waits for. */
export function TaskNow({ task }: { task: TaskView }) {
  if (task.status === 'needs_budget') return <NeedsBudget task={task} />
  if (task.status === 'needs_answer') return <NeedsAnswer task={task} />
  return (
    <p className="flex items-center gap-2 py-1.5 text-sm text-muted">
      <Spinner className="text-accent" />
      {nowText(task)}
    </p>
  )
}

const FACTOR = 2

function NeedsBudget({ task }: { task: TaskView }) {
  const [isBusy, setBusy] = useState(false)
  const kind = task.budget?.kind ?? 'turns'
  const limit = Math.max(1, task.budget?.limit ?? 1)
  const next = kind === 'usd' ? Number((limit * FACTOR).toFixed(2)) : Math.ceil(limit * FACTOR)
  const shown = kind === 'usd' ? formatCost(next) : `${next} ${kind}`
  const raise = async (): Promise<void> => {
    setBusy(true)
    try {
      await api.raiseBudget(
        task.id,
        kind === 'usd' ? { maxUsd: next } : kind === 'minutes' ? { maxMinutes: next } : { maxTurns: next },
      )
    } catch (error) {
      showFault(error)
    } finally {
      setBusy(false)
    }
  }
  return (
    <section
      aria-label="Budget reached"
      className="mt-2 flex flex-wrap items-center gap-3 rounded-xl border border-line bg-warn-soft px-3 py-2.5"
    >
      <Gauge aria-hidden="true" className="size-4 text-warn" />
      <p className="min-w-0 flex-1 text-sm">
        <span className="font-semibold text-warn">The budget is reached.</span> The task waits, nothing is lost.
      </p>
      <Button look="primary" size="small" isBusy={isBusy} onClick={() => void raise()}>
        Raise to {shown} and go on
      </Button>
    </section>
  )
}
