import { ChevronRight } from 'lucide-react'
import { EVIDENCE_WORDS } from '../../shared/evidence.ts'
import type { ApiEvidence } from '../api/types.ts'
import type { PanelTarget } from '../panels/panel.ts'
import type { TaskView } from '../state.ts'
import { evidenceSummary } from './evidence-summary.ts'

/** What a task's end rests on, in one line that leads to all of it; nothing where nothing ran and nobody was asked. */
export function EvidenceLine({
  evidence,
  task,
  navigate,
}: {
  evidence: ApiEvidence
  task: TaskView
  navigate: (target: PanelTarget) => void
}) {
  const summary = evidenceSummary(evidence)
  if (summary.length === 0) return null
  const hasVerdict = task.diffStat.files > 0
  return (
    <button
      type="button"
      onClick={() => navigate({ panel: 'review', taskId: task.id, view: 'evidence' })}
      className="-mx-1.5 mt-1.5 flex max-w-full items-baseline gap-1.5 rounded-md px-1.5 py-0.5 text-left text-xs hover:bg-hover"
    >
      <span className="text-faint">Evidence</span>
      <span className="min-w-0 text-muted">
        {[...(hasVerdict ? [EVIDENCE_WORDS[evidence.evidence]] : []), ...summary].join(' · ')}
      </span>
      <ChevronRight aria-hidden="true" className="size-3 shrink-0 self-center text-faint" />
    </button>
  )
}
