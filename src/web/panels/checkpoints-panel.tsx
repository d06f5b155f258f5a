import { Columns2, Flag, FolderPlus, GitCompareArrows, History, MessageSquarePlus, RotateCcw } from 'lucide-react'
import { useState } from 'react'
import { api } from '../api/client.ts'
import type { Checkpoint } from '../api/types.ts'
import { useQuery } from '../api/use-query.ts'
import { VisibleText } from '../code/visible-text.tsx'
import { writeStored } from '../shell/stored.ts'
import { Badge } from '../ui/badge.tsx'
import { Button } from '../ui/button.tsx'
import { ConfirmDialog } from '../ui/confirm-dialog.tsx'
import { formatAgo, formatPlural } from '../ui/format.ts'
import { IconButton } from '../ui/icon-button.tsx'
import { Skeleton } from '../ui/spinner.tsx'
import { EmptyState, ErrorState } from '../ui/states.tsx'
import { showToast } from '../ui/toast.tsx'
import { LineCounts } from './changes/line-counts.tsx'
import type { PanelProps } from './panel.ts'

const SHOWN_AT_ONCE = 50

type Act = 'restore' | 'conversation' | 'project'

/** Every state of the project's files that was kept, newest first; each can be compared, brought back or begun from. */
export default function CheckpointsPanel({ projectId, task, taskId, navigate, target }: PanelProps) {
  const version = `${task?.id ?? ''}:${task?.checkpoints.length ?? 0}:${task?.endedAt ?? ''}`
  const checkpoints = useQuery(
    `checkpoints:${projectId}`,
    (signal) => api.listProjectCheckpoints(projectId, signal),
    version,
  )
  const [limit, setLimit] = useState(SHOWN_AT_ONCE)
  const [asked, setAsked] = useState<{ act: Act; checkpoint: Checkpoint } | null>(null)
  const [compared, setCompared] = useState<Checkpoint | null>(null)

  if (checkpoints.value === undefined) {
    return checkpoints.error === undefined ? (
      <Skeleton lines={5} label="Loading the checkpoints" />
    ) : (
      <ErrorState error={checkpoints.error} onRetry={checkpoints.reload} />
    )
  }
  const newestFirst = [...checkpoints.value].reverse()
  if (newestFirst.length === 0) {
    return (
      <EmptyState title="No checkpoints yet" icon={<History />}>
        The files are kept before a task begins and after each turn that changes them, so that nothing is out of reach.
      </EmptyState>
    )
  }
  const compareWith = (checkpoint: Checkpoint): void => {
    if (compared === null || compared.id === checkpoint.id) {
      setCompared(compared === null ? checkpoint : null)
      return
    }
    const isLater = newestFirst.indexOf(checkpoint) < newestFirst.findIndex(({ id }) => id === compared.id)
    const [from, to] = isLater ? [compared, checkpoint] : [checkpoint, compared]
    writeStored('diff.layout', 'split')
    navigate({ panel: 'changes', taskId: to.taskId, checkpointId: from.id, toCheckpointId: to.id })
  }
  return (
    <>
      {compared !== null && (
        <p role="status" className="flex items-center gap-2 border-b border-line bg-accent-soft px-3 py-1.5 text-sm">
          <span className="min-w-0 flex-1 truncate">
            Compare “<VisibleText text={compared.label} />” with: choose another one
          </span>
          <Button size="small" look="quiet" onClick={() => setCompared(null)}>
            Cancel
          </Button>
        </p>
      )}
      <ol className="min-h-0 flex-1 overflow-y-auto px-3 py-2" aria-label="Checkpoints, newest first">
        {newestFirst.slice(0, limit).map((checkpoint, index) => (
          <Entry
            key={checkpoint.id}
            checkpoint={checkpoint}
            isNewest={index === 0}
            isOwn={checkpoint.taskId === taskId}
            isNamed={target?.checkpointId === checkpoint.id}
            comparison={compared === null ? 'none' : compared.id === checkpoint.id ? 'this' : 'other'}
            onChoose={() => compareWith(checkpoint)}
            onCompare={() => navigate({ panel: 'changes', taskId: checkpoint.taskId, checkpointId: checkpoint.id })}
            onAct={(act) => setAsked({ act, checkpoint })}
          />
        ))}
        {newestFirst.length > limit && (
          <li>
            <Button size="small" onClick={() => setLimit(limit + SHOWN_AT_ONCE)}>
              Show earlier ones
            </Button>
          </li>
        )}
      </ol>
      <ActDialog asked={asked} onClose={() => setAsked(null)} onDone={checkpoints.reload} />
    </>
  )
}

function Entry({
  checkpoint,
  isNewest,
  isOwn,
  isNamed,
  comparison,
  onChoose,
  onCompare,
  onAct,
}: {
  checkpoint: Checkpoint
  isNewest: boolean
  isOwn: boolean
  isNamed: boolean
  /** Whether one is chosen to be compared: this one, another one, or none. */
  comparison: 'none' | 'this' | 'other'
  onChoose: () => void
  onCompare: () => void
  onAct: (act: Act) => void
}) {
  const { label, stat, turn, createdAt, treeHash } = checkpoint
  return (
    <li
      className={`relative flex flex-col gap-1 border-l-2 py-2 pl-4 ${isNamed ? 'border-accent' : isOwn ? 'border-line-strong' : 'border-line'}`}
    >
      <span
        aria-hidden="true"
        className={`absolute top-3.5 -left-[5px] size-2 rounded-full ${isOwn ? 'bg-accent' : 'bg-line-strong'}`}
      />
      <div className="flex flex-wrap items-center gap-2">
        <span className="min-w-0 flex-1 text-sm font-medium break-words">
          <VisibleText text={label} />
        </span>
        {isNewest && (
          <Badge tone="accent" icon={<Flag aria-hidden="true" className="size-3" />}>
            newest
          </Badge>
        )}
      </div>
      <div className="flex flex-wrap items-center gap-x-2 gap-y-1 text-xs text-muted">
        <time dateTime={createdAt} title={new Date(createdAt).toLocaleString()}>
          {formatAgo(createdAt)}
        </time>
        {turn > 0 && <span>{`turn ${turn}`}</span>}
        {stat.files > 0 && (
          <>
            <span>{formatPlural(stat.files, 'file')}</span>
            <LineCounts added={stat.added} removed={stat.removed} />
          </>
        )}
        <span className="font-mono" title={`tree ${treeHash}`}>
          {treeHash.slice(0, 8)}
        </span>
        <div className="ml-auto flex shrink-0 gap-1">
          <IconButton
            size="small"
            label={comparison === 'other' ? 'Compare the two side by side' : 'Compare with another checkpoint'}
            isPressed={comparison === 'this'}
            icon={<Columns2 className="size-3.5" />}
            onClick={onChoose}
          />
          <IconButton
            size="small"
            label="What changed since"
            icon={<GitCompareArrows className="size-3.5" />}
            onClick={onCompare}
          />
          <IconButton
            size="small"
            label="Bring the files back to here"
            icon={<RotateCcw className="size-3.5" />}
            onClick={() => onAct('restore')}
          />
          <IconButton
            size="small"
            label="New conversation from here"
            icon={<MessageSquarePlus className="size-3.5" />}
            onClick={() => onAct('conversation')}
          />
          <IconButton
            size="small"
            label="New project from here"
            icon={<FolderPlus className="size-3.5" />}
            onClick={() => onAct('project')}
          />
        </div>
      </div>
    </li>
  )
}

const WORDS = {
  restore: {
    title: 'Bring the files back?',
    confirm: 'Bring back',
    text: 'All files become what they were at this checkpoint. The state of now is kept as a checkpoint too, and the conversation says what was done, so the agent knows.',
  },
  conversation: {
    title: 'New conversation from here?',
    confirm: 'Start it',
    text: 'A conversation with the history up to this checkpoint. The files of the project become what they were then.',
  },
  project: {
    title: 'New project from here?',
    confirm: 'Make it',
    text: 'A project of its own with these files and the history up to this checkpoint. This one stays as it is.',
  },
} as const

function ActDialog({
  asked,
  onClose,
  onDone,
}: {
  asked: { act: Act; checkpoint: Checkpoint } | null
  onClose: () => void
  onDone: () => void
}) {
  if (asked === null) return null
  const { act, checkpoint } = asked
  const words = WORDS[act]
  const confirm = async (): Promise<void> => {
    if (act === 'restore') {
      await api.restoreCheckpoint(checkpoint.id)
      showToast('The files are back. The conversation has a note of it.')
    } else {
      const made = await api.forkCheckpoint(checkpoint.id, act)
      const place = 'projectId' in made ? `/p/${made.projectId}/c/${made.id}` : `/p/${made.id}`
      location.assign(place)
    }
    onDone()
  }
  return (
    <ConfirmDialog isOpen title={words.title} confirmLabel={words.confirm} onClose={onClose} onConfirm={confirm}>
      <p className="mb-2 font-medium text-ink">
        <VisibleText text={checkpoint.label} />
      </p>
      <p>{words.text}</p>
    </ConfirmDialog>
  )
}
