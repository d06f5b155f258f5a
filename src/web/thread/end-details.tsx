import { AlternativesBar } from '../alternatives/alternatives-bar.tsx'
import { api } from '../api/client.ts'
import { useQuery } from '../api/use-query.ts'
import type { PanelTarget } from '../panels/panel.ts'
import { evidenceVersion } from '../panels/review/use-evidence.ts'
import type { TaskView } from '../state.ts'
import { useView } from '../store/use-view.ts'
import { Button } from '../ui/button.tsx'
import { EvidenceLine } from './evidence-line.tsx'
import { PublishBar } from './publish-bar.tsx'

/**
 * What stands on an end card below its figures, read from the server by one call: evidence, and the ways on. Loaded when it
 * is first shown, and read again when the stream tells of something that changes it.
 */
export default function EndDetails({ task, navigate }: { task: TaskView; navigate: (target: PanelTarget) => void }) {
  const comparisonSeq = useView((state) => state.view.comparisonSeq)
  const { value, error, reload } = useQuery(
    `ending:${task.id}`,
    (signal) => api.getEnding(task.id, signal),
    `${comparisonSeq}:${evidenceVersion(task)}`,
  )
  return (
    <>
      {value !== undefined && <EvidenceLine evidence={value.evidence} task={task} navigate={navigate} />}
      {task.diffStat.files > 0 && <PublishBar taskId={task.id} ending={value ?? null} />}
      {value !== undefined && <AlternativesBar task={task} told={value.comparisons} />}
      {value === undefined && error !== undefined && (
        <p className="mt-2 flex flex-wrap items-center gap-2 text-xs text-muted">
          Evidence and ways on could not be read.
          <Button size="small" look="quiet" onClick={reload}>
            Try again
          </Button>
        </p>
      )}
    </>
  )
}
