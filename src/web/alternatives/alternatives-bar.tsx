import { Split } from 'lucide-react'
import { useEffect, useState } from 'react'
import { isComparisonOver } from '../../shared/comparison.ts'
import { api } from '../api/client.ts'
import { useQuery } from '../api/use-query.ts'
import type { TaskView } from '../state.ts'
import { useView } from '../store/use-view.ts'
import { Button } from '../ui/button.tsx'
import { lazyPart } from '../ui/lazy-part.tsx'
import { ComparisonCard } from './comparison-card.tsx'

const StartDialog = lazyPart(() => import('./start-dialog.tsx'))

/** The forks tell this conversation only of turning points; how far they are is read this often while any of them runs. */
const LOOK_EVERY_MS = 3_000

/** Other tries at a task's request: the way to begin some, and those that were begun, newest first. */
export function AlternativesBar({ task }: { task: TaskView }) {
  const [isAsking, setAsking] = useState(false)
  const [looks, setLooks] = useState(0)
  const told = useView((state) => state.view.comparisonSeq)
  const { value, reload } = useQuery(
    `comparisons:${task.id}`,
    (signal) => api.listComparisons(task.id, signal),
    `${told}:${looks}`,
  )
  const comparisons = value?.items ?? []
  const isMoving = comparisons.some(({ state }) => state === 'running' || state === 'choosing')
  useEffect(() => {
    if (!isMoving) return
    const timer = setInterval(() => {
      if (!document.hidden) setLooks((before) => before + 1)
    }, LOOK_EVERY_MS)
    return () => clearInterval(timer)
  }, [isMoving])
  if (value === undefined) return null
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
