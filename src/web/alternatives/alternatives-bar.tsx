import { Split } from 'lucide-react'
import { useState } from 'react'
import { isComparisonOver } from '../../shared/comparison.ts'
import { api } from '../api/client.ts'
import type { Comparison } from '../api/types.ts'
import { useFollowed } from '../api/use-followed.ts'
import type { TaskView } from '../state.ts'
import { Button } from '../ui/button.tsx'
import { lazyPart } from '../ui/lazy-part.tsx'
import { ComparisonCard } from './comparison-card.tsx'

const StartDialog = lazyPart(() => import('./start-dialog.tsx'))

/** The forks tell this conversation only of turning points; how far they are is read this often while any of them runs. */
const LOOK_EVERY_MS = 3_000

const isMoving = (comparisons: readonly Comparison[]): boolean =>
  comparisons.some(({ state }) => state === 'running' || state === 'choosing')

/** Other tries at a task's request: the way to begin some, and those that were begun, newest first; `told` was read with the card. */
export function AlternativesBar({ task, told }: { task: TaskView; told: readonly Comparison[] }) {
  const [isAsking, setAsking] = useState(false)
  const { value: comparisons, reload } = useFollowed(
    told,
    async (signal) => (await api.listComparisons(task.id, signal)).items,
    isMoving,
    LOOK_EVERY_MS,
  )
  return (
    <div className="mt-2 flex flex-col gap-2 border-t border-line pt-2">
      {comparisons.map((comparison) => (
        <ComparisonCard key={comparison.id} comparison={comparison} onChanged={reload} />
      ))}
      {comparisons.every(({ state }) => isComparisonOver(state)) && (
        <Button
          size="small"
          look="quiet"
          className="self-start"
          icon={<Split className="size-3.5" />}
          onClick={() => setAsking(true)}
        >
          Try again otherwise…
        </Button>
      )}
      {isAsking && <StartDialog task={task} onClose={() => setAsking(false)} onStarted={reload} />}
    </div>
  )
}
