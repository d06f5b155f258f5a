import { useEffect, useState } from 'react'
import { api } from '../api/client.ts'
import { useQuery } from '../api/use-query.ts'
import { classNames } from '../ui/class-names.ts'
import { Skeleton } from '../ui/spinner.tsx'
import { EmptyState, ErrorState } from '../ui/states.tsx'
import { type PanelProps, REVIEW_VIEWS, type ReviewView } from './panel.ts'
import { CriteriaEditor } from './review/criteria-editor.tsx'
import { CriteriaProposals } from './review/criteria-proposals.tsx'
import { EvidenceList } from './review/evidence-list.tsx'
import { RoundsHistory } from './review/rounds-history.tsx'
import { useEvidence } from './review/use-evidence.ts'

const VIEW_WORDS: Readonly<Record<ReviewView, string>> = {
  rounds: 'Rounds',
  evidence: 'Evidence',
  criteria: 'Criteria',
}

/** What the reviewer said of this task, and what it looks for in this project. */
export default function ReviewPanel(props: PanelProps) {
  const { target } = props
  const [view, setView] = useState<ReviewView>('rounds')
  useEffect(() => {
    // An address that names a round, or no part, leads to the rounds.
    if (target !== null) setView(target.view ?? 'rounds')
  }, [target])
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <fieldset className="flex gap-1 border-b border-line px-3 py-1.5">
        <legend className="sr-only">What to show</legend>
        {REVIEW_VIEWS.map((id) => (
          <button
            key={id}
            type="button"
            aria-pressed={view === id}
            onClick={() => setView(id)}
            className={classNames(
              'h-7 rounded-md px-2.5 text-sm',
              view === id ? 'bg-accent-soft font-medium text-accent' : 'text-muted hover:bg-hover',
            )}
          >
            {VIEW_WORDS[id]}
          </button>
        ))}
      </fieldset>
      <div className="min-h-0 flex-1 overflow-y-auto">
        {view === 'rounds' && <Rounds {...props} />}
        {view === 'evidence' && <TaskEvidence {...props} />}
        {view === 'criteria' && <Criteria {...props} />}
      </div>
    </div>
  )
}

function Rounds({ taskId, task, target, navigate }: PanelProps) {
  const findings =
    task?.rounds.flatMap((round) =>
      round.findings.map(({ state, judgement }) => `${state}${judgement?.verdict ?? ''}`),
    ) ?? []
  const version = `${task?.rounds.length ?? 0}:${task?.review?.status ?? ''}:${task?.rounds.at(-1)?.checks.length ?? 0}:${findings.join()}`
  const review = useQuery(
    taskId === null ? null : `review:${taskId}`,
    (signal) => api.getReview(taskId ?? '', signal),
    version,
  )
  if (taskId === null) return <EmptyState title="No review yet">It begins when a task has changed files.</EmptyState>
  if (review.value === undefined) {
    return review.error === undefined ? (
      <Skeleton lines={5} label="Loading the review" />
    ) : (
      <ErrorState error={review.error} onRetry={review.reload} />
    )
  }
  return <RoundsHistory review={review.value} target={target} navigate={navigate} onJudged={review.reload} />
}

function TaskEvidence({ taskId, task }: PanelProps) {
  const evidence = useEvidence(taskId, task)
  if (taskId === null) return <EmptyState title="Nothing ran yet">What a task runs is listed here.</EmptyState>
  if (evidence.value === undefined) {
    return evidence.error === undefined ? (
      <Skeleton lines={5} label="Loading the evidence" />
    ) : (
      <ErrorState error={evidence.error} onRetry={evidence.reload} />
    )
  }
  return <EvidenceList evidence={evidence.value} />
}

function Criteria({ projectId }: PanelProps) {
  const criteria = useQuery(`criteria:${projectId}`, (signal) => api.getCriteria(projectId, signal))
  if (criteria.value === undefined) {
    return criteria.error === undefined ? (
      <Skeleton lines={6} label="Loading the criteria" />
    ) : (
      <ErrorState error={criteria.error} onRetry={criteria.reload} />
    )
  }
  return (
    <>
      <CriteriaProposals projectId={projectId} version={criteria.value.version} onAccepted={criteria.reload} />
      <CriteriaEditor
        key={criteria.value.version}
        projectId={projectId}
        criteria={criteria.value}
        onSaved={criteria.reload}
      />
    </>
  )
}
