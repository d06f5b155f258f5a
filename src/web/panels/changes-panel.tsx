import { Columns2, FileDiff as FileDiffIcon, Rows2 } from 'lucide-react'
import { leftOutText } from '../../shared/left-out.ts'
import { api } from '../api/client.ts'
import { useQuery } from '../api/use-query.ts'
import { VisibleText } from '../code/visible-text.tsx'
import { useStored } from '../shell/stored.ts'
import { formatPlural } from '../ui/format.ts'
import { IconButton } from '../ui/icon-button.tsx'
import { Skeleton } from '../ui/spinner.tsx'
import { EmptyState, ErrorState } from '../ui/states.tsx'
import { DiffFiles } from './changes/diff-files.tsx'
import { LineCounts } from './changes/line-counts.tsx'
import { RangeSelect } from './changes/range-select.tsx'
import type { PanelProps } from './panel.ts'

/** What the task changed in the files: as a whole, or between two checkpoints. */
export default function ChangesPanel({ projectId, conversationId, taskId, task, navigate, target }: PanelProps) {
  const from = target?.checkpointId
  const to = target?.toCheckpointId
  const version =
    task === null
      ? ''
      : `${task.diffStat.files}/${task.diffStat.added}/${task.diffStat.removed}/${task.checkpoints.length}`
  const diff = useQuery(
    taskId === null ? null : `diff:${taskId}:${from ?? ''}:${to ?? ''}`,
    (signal) => api.getDiff(taskId ?? '', { from, to }, signal),
    version,
  )
  const [layout, setLayout] = useStored('diff.layout')
  const isSplit = layout === 'split'

  if (taskId === null) return <Nothing />
  if (diff.value === undefined) {
    return diff.error === undefined ? (
      <Skeleton lines={6} label="Loading the changes" />
    ) : (
      <ErrorState error={diff.error} onRetry={diff.reload} />
    )
  }
  const { stat, files, leftOut } = diff.value
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex flex-wrap items-center gap-x-2 gap-y-1.5 border-b border-line px-3 py-1.5 @md:flex-nowrap">
        <span className="text-sm font-medium whitespace-nowrap">{formatPlural(stat.files, 'file')}</span>
        <LineCounts added={stat.added} removed={stat.removed} />
        <RangeSelect
          projectId={projectId}
          task={task}
          range={{ from, to }}
          onChange={(range) =>
            navigate({
              panel: 'changes',
              ...(target?.taskId === undefined ? {} : { taskId: target.taskId }),
              ...(range.from === undefined ? {} : { checkpointId: range.from }),
              ...(range.to === undefined ? {} : { toCheckpointId: range.to }),
            })
          }
        />
        <IconButton
          size="small"
          className="ml-auto"
          label={isSplit ? 'Show under each other' : 'Show side by side'}
          icon={isSplit ? <Rows2 className="size-4" /> : <Columns2 className="size-4" />}
          onClick={() => setLayout(isSplit ? null : 'split')}
        />
      </div>
      {leftOut.length > 0 && (
        <p className="border-b border-line px-3 py-1.5 text-sm text-muted">
          Also changed, outside the diff: <VisibleText text={leftOut.map(leftOutText).join('; ')} />
        </p>
      )}
      {files.length === 0 ? (
        <Nothing isCompared={from !== undefined || to !== undefined} />
      ) : (
        <DiffFiles
          key={`${taskId}:${from ?? ''}:${to ?? ''}`}
          diff={diff.value}
          taskId={taskId}
          task={task}
          conversationId={conversationId}
          isSplit={isSplit}
          target={target}
          navigate={navigate}
        />
      )}
    </div>
  )
}

function Nothing({ isCompared = false }: { isCompared?: boolean }) {
  return isCompared ? (
    <EmptyState title="No difference" icon={<FileDiffIcon />}>
      The files are the same at both checkpoints.
    </EmptyState>
  ) : (
    <EmptyState title="No changes yet" icon={<FileDiffIcon />}>
      What the agent changes in the files stands here as a diff.
    </EmptyState>
  )
}
