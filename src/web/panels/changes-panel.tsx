import { Columns2, FileDiff as FileDiffIcon, Rows2 } from 'lucide-react'
import { useEffect, useMemo, useState } from 'react'
import { leftOutText } from '../../shared/left-out.ts'
import type { Finding } from '../../shared/review.ts'
import { api } from '../api/client.ts'
import type { Diff } from '../api/types.ts'
import { useQuery } from '../api/use-query.ts'
import { VisibleText } from '../code/visible-text.tsx'
import { useStored } from '../shell/stored.ts'
import type { TaskView } from '../state.ts'
import { Button } from '../ui/button.tsx'
import { formatPlural } from '../ui/format.ts'
import { IconButton } from '../ui/icon-button.tsx'
import { Select } from '../ui/select.tsx'
import { Skeleton } from '../ui/spinner.tsx'
import { EmptyState, ErrorState } from '../ui/states.tsx'
import { FileDiff, fileAnchor, LineCounts } from './changes/file-diff.tsx'
import { type PatchHunk, parsePatch } from './changes/parse-patch.ts'
import type { PanelProps } from './panel.ts'

/** Files whose lines are shown without being asked for, by the sum of their lines. */
const LINES_OPEN_AT_FIRST = 1_500
const WHOLE_TASK = 'task'
const MAX_VIEWED = 500

/** What the task changed in the files: as a whole, or since one of its checkpoints. */
export default function ChangesPanel({ taskId, task, navigate, target }: PanelProps) {
  const from = target?.checkpointId
  const version =
    task === null
      ? ''
      : `${task.diffStat.files}/${task.diffStat.added}/${task.diffStat.removed}/${task.checkpoints.length}`
  const diff = useQuery(
    taskId === null ? null : `diff:${taskId}:${from ?? ''}`,
    (signal) => api.getDiff(taskId ?? '', { from }, signal),
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
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-3 py-1.5">
        <span className="text-sm font-medium">{formatPlural(diff.value.stat.files, 'file')}</span>
        <LineCounts added={diff.value.stat.added} removed={diff.value.stat.removed} />
        <span className="flex-1" />
        <RangeSelect
          task={task}
          value={from}
          onChange={(checkpointId) =>
            navigate({ panel: 'changes', ...(checkpointId === undefined ? {} : { checkpointId }) })
          }
        />
        <IconButton
          size="small"
          label={isSplit ? 'Show under each other' : 'Show side by side'}
          icon={isSplit ? <Rows2 className="size-4" /> : <Columns2 className="size-4" />}
          onClick={() => setLayout(isSplit ? null : 'split')}
        />
      </div>
      {diff.value.leftOut.length > 0 && (
        <p className="border-b border-line px-3 py-1.5 text-sm text-muted">
          Also changed, outside the diff: <VisibleText text={diff.value.leftOut.map(leftOutText).join('; ')} />
        </p>
      )}
      {diff.value.files.length === 0 ? (
        <Nothing />
      ) : (
        <Files
          key={`${taskId}:${from ?? ''}`}
          diff={diff.value}
          taskId={taskId}
          findings={findingsOf(task)}
          isSplit={isSplit}
          target={target}
          navigate={navigate}
        />
      )}
    </div>
  )
}

function Nothing() {
  return (
    <EmptyState title="No changes yet" icon={<FileDiffIcon />}>
      What the agent changes in the files stands here as a diff.
    </EmptyState>
  )
}

function RangeSelect({
  task,
  value,
  onChange,
}: {
  task: TaskView | null
  value: string | undefined
  onChange: (checkpointId: string | undefined) => void
}) {
  const checkpoints = task?.checkpoints ?? []
  if (checkpoints.length < 2 && value === undefined) return null
  const options = [
    { value: WHOLE_TASK, label: 'The whole task' },
    ...checkpoints.map(({ id, label }) => ({ value: id, label: `since: ${label}` })),
  ]
  if (value !== undefined && !checkpoints.some(({ id }) => id === value))
    options.push({ value, label: 'since: that checkpoint' })
  return (
    <Select
      label="Changes since"
      isLabelHidden
      size="small"
      className="max-w-48"
      value={value ?? WHOLE_TASK}
      options={options}
      onChange={(chosen) => onChange(chosen === WHOLE_TASK ? undefined : chosen)}
    />
  )
}

/** The newest word on each finding of the task that names a place. */
function findingsOf(task: TaskView | null): readonly Finding[] {
  const byId = new Map<string, Finding>()
  for (const round of task?.rounds ?? []) for (const finding of round.findings) byId.set(finding.id, finding)
  return [...byId.values()].filter((finding) => finding.file !== undefined)
}

function Files({
  diff,
  taskId,
  findings,
  isSplit,
  target,
  navigate,
}: {
  diff: Diff
  taskId: string
  findings: readonly Finding[]
  isSplit: boolean
  target: PanelProps['target']
  navigate: PanelProps['navigate']
}) {
  const hunks = useMemo(() => parsePatch(diff.patch), [diff.patch])
  const [viewedText, setViewedText] = useStored(`viewed.${taskId}`)
  const viewed = useMemo(() => (viewedText ?? '').split('\n'), [viewedText])
  const [toggled, setToggled] = useState<ReadonlyMap<string, boolean>>(new Map())
  const openAtFirst = useMemo(() => firstOpen(diff, hunks), [diff, hunks])
  // A mark holds for what was looked at: when the file changes again it is gone.
  const markOf = (index: number): string => {
    const file = diff.files[index]
    return `${file?.path}:${file?.added}:${file?.removed}:${hunks[index]?.length ?? 0}`
  }
  useEffect(() => {
    if (target?.file === undefined) return
    const section = document.getElementById(fileAnchor(target.file))
    const line = target.line === undefined ? null : section?.querySelector(`[data-line="${target.line}"]`)
    ;(line ?? section)?.scrollIntoView({ block: line === null ? 'start' : 'center' })
  }, [target])

  return (
    <div className="min-h-0 flex-1 overflow-y-auto">
      <FileList
        diff={diff}
        onJump={(file) =>
          navigate({
            panel: 'changes',
            file,
            ...(target?.checkpointId === undefined ? {} : { checkpointId: target.checkpointId }),
          })
        }
      />
      {diff.files.map((file, index) => {
        const isViewed = viewed.includes(markOf(index))
        const isNamed = target?.file === file.path
        const isOpen = toggled.get(file.path) ?? (isNamed || (!isViewed && openAtFirst.has(file.path)))
        return (
          <FileDiff
            key={file.path}
            file={file}
            hunks={hunks[index] ?? []}
            isSplit={isSplit}
            isViewed={isViewed}
            isOpen={isOpen}
            findings={findings.filter((finding) => finding.file === file.path)}
            line={isNamed ? (target?.line ?? null) : null}
            onToggle={() => setToggled(new Map(toggled).set(file.path, !isOpen))}
            onViewed={(value) => {
              const others = viewed.filter((mark) => mark !== markOf(index))
              setViewedText((value ? [...others, markOf(index)] : others).slice(-MAX_VIEWED).join('\n'))
              setToggled(new Map(toggled).set(file.path, !value))
            }}
            onOpenFile={() => navigate({ panel: 'files', file: file.path })}
          />
        )
      })}
      {diff.truncated && (
        <p className="px-4 py-3 text-sm text-warn">
          This diff is too long to be shown whole; the list above names every file.
        </p>
      )}
    </div>
  )
}

function firstOpen(diff: Diff, hunks: readonly (readonly PatchHunk[])[]): ReadonlySet<string> {
  const open = new Set<string>()
  let lines = 0
  for (const [index, file] of diff.files.entries()) {
    lines += (hunks[index] ?? []).reduce((sum, hunk) => sum + hunk.lines.length, 0)
    if (lines > LINES_OPEN_AT_FIRST && index > 0) break
    open.add(file.path)
  }
  return open
}

function FileList({ diff, onJump }: { diff: Diff; onJump: (path: string) => void }) {
  const [isWhole, setWhole] = useState(false)
  if (diff.files.length < 2) return null
  const shown = isWhole ? diff.files : diff.files.slice(0, 12)
  return (
    <nav aria-label="Changed files" className="border-b border-line px-2 py-1.5">
      <ul>
        {shown.map((file) => (
          <li key={file.path}>
            <button
              type="button"
              onClick={() => onJump(file.path)}
              className="flex w-full items-center gap-2 rounded px-1.5 py-0.5 text-left hover:bg-hover"
            >
              <span className="min-w-0 flex-1 truncate font-mono text-xs">
                <VisibleText text={file.path} />
              </span>
              <LineCounts added={file.added} removed={file.removed} />
            </button>
          </li>
        ))}
      </ul>
      {shown.length < diff.files.length && (
        <Button look="quiet" size="small" onClick={() => setWhole(true)}>
          {`Show all ${diff.files.length}`}
        </Button>
      )}
    </nav>
  )
}
