import { Check } from 'lucide-react'
import type { TaskView } from '../state.ts'
import { classNames } from '../ui/class-names.ts'

interface PhaseStep {
  readonly id: string
  readonly label: string
  readonly state: 'done' | 'now' | 'next'
}

/** Where the task stands: sandbox, context, working, checks, review, done. */
export function PhaseStepper({ task }: { task: TaskView }) {
  const steps = stepsOf(task)
  return (
    <ol aria-label="Phases of the task" className="flex min-w-0 items-center gap-1 overflow-hidden text-xs">
      {steps.map((step, index) => (
        <li
          key={step.id}
          aria-current={step.state === 'now' ? 'step' : undefined}
          className={classNames(
            'flex shrink-0 items-center gap-1 whitespace-nowrap',
            step.state === 'now' ? 'font-medium text-accent' : 'text-faint',
            step.state !== 'now' && 'max-md:hidden',
          )}
        >
          {index > 0 && <span aria-hidden="true" className="h-px w-2 bg-line-strong max-md:hidden" />}
          {step.state === 'done' ? (
            <Check aria-label="done" className="size-3 text-good" />
          ) : (
            <span
              aria-hidden="true"
              className={classNames(
                'size-1.5 rounded-full',
                step.state === 'now' ? 'bg-accent animate-breathe' : 'bg-line-strong',
              )}
            />
          )}
          {step.label}
        </li>
      ))}
    </ol>
  )
}

const PLACE = {
  preparing: 0,
  setup: 0,
  context: 1,
  working: 2,
  checking: 3,
  reviewing: 4,
  fixing: 2,
  finishing: 5,
  done: 6,
} as const

/** The six steps of a task; exported for its test. Pure. */
export function stepsOf(task: Pick<TaskView, 'phase' | 'turn' | 'round' | 'status'>): readonly PhaseStep[] {
  const now = PLACE[task.phase]
  const working = task.phase === 'fixing' ? 'Fixing' : 'Working'
  const labels = [
    ['sandbox', task.phase === 'setup' ? 'Set-up' : 'Sandbox'],
    ['context', 'Context'],
    ['working', task.turn === 0 ? working : `${working}, turn ${task.turn}`],
    ['checks', 'Checks'],
    ['review', task.round === 0 ? 'Review' : `Review ${task.round}`],
    ['done', task.status === 'failed' ? 'Failed' : task.status === 'cancelled' ? 'Stopped' : 'Done'],
  ] as const
  return labels.map(([id, label], index) => ({
    id,
    label,
    state: index < now ? 'done' : index === now ? 'now' : 'next',
  }))
}
