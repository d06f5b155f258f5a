import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { type PatchHunk, parsePatch } from '../../../shared/patch.ts'
import type { Finding } from '../../../shared/review.ts'
import { api } from '../../api/client.ts'
import type { Diff } from '../../api/types.ts'
import { useStored } from '../../shell/stored.ts'
import type { TaskView } from '../../state.ts'
import type { PanelProps } from '../panel.ts'
import { FileDiff, fileAnchor } from './file-diff.tsx'
import { FileList } from './file-list.tsx'
import { isSameHunks } from './patch-lines.ts'
import { useReviewKeys } from './use-review-keys.ts'

/** Files whose lines are shown without being asked for, by the sum of their lines. */
const LINES_OPEN_AT_FIRST = 1_500
const MAX_VIEWED = 500

/** A diff, and where the address leads in it; `taskId` is whose “viewed” marks are kept. */
export interface DiffFilesProps {
  readonly diff: Diff
  readonly taskId: string
  readonly task: TaskView | null
  readonly conversationId: string | null
  readonly isSplit: boolean
  readonly target: PanelProps['target']
  readonly navigate: PanelProps['navigate']
}

/** The files of a diff under each other: what was viewed, what is open, and where the address and the keys lead. */
export function DiffFiles({ diff, taskId, task, conversationId, isSplit, target, navigate }: DiffFilesProps) {
  const region = useRef<HTMLDivElement>(null)
  const hunks = useHunks(diff)
  const [viewedText, setViewedText] = useStored(`viewed.${taskId}`)
  const viewed = useMemo(() => (viewedText ?? '').split('\n'), [viewedText])
  const [toggled, setToggled] = useState<ReadonlyMap<string, boolean>>(new Map())
  const openAtFirst = useMemo(() => firstOpen(diff, hunks), [diff, hunks])
  const findings = useMemo(() => findingsOf(task, diff), [task, diff])
  // The address keeps what is compared, whatever else it leads to.
  const jump = useCallback(
    (place: { readonly file?: string; readonly line?: number; readonly turn?: number }) => {
      const { taskId: named, checkpointId, toCheckpointId } = target ?? {}
      navigate({
        panel: 'changes',
        ...(named === undefined ? {} : { taskId: named }),
        ...(checkpointId === undefined ? {} : { checkpointId }),
        ...(toCheckpointId === undefined ? {} : { toCheckpointId }),
        ...place,
      })
    },
    [navigate, target],
  )

  // A mark holds for what was looked at: when the file changes again it is gone.
  const markOf = useCallback(
    (index: number): string => {
      const file = diff.files[index]
      return `${file?.path}:${file?.added}:${file?.removed}:${hunks[index]?.length ?? 0}`
    },
    [diff, hunks],
  )
  const setViewed = useCallback(
    (index: number, value: boolean): void => {
      const others = viewed.filter((mark) => mark !== markOf(index))
      setViewedText((value ? [...others, markOf(index)] : others).slice(-MAX_VIEWED).join('\n'))
      const path = diff.files[index]?.path ?? ''
      setToggled((known) => new Map(known).set(path, !value))
    },
    [viewed, markOf, setViewedText, diff],
  )

  useEffect(() => {
    if (target?.file === undefined) return
    const section = document.getElementById(fileAnchor(target.file))
    const line = target.line === undefined ? null : section?.querySelector(`[data-line="${target.line}"]`)
    ;(line ?? section)?.scrollIntoView({ block: line === null ? 'start' : 'center' })
  }, [target])

  const wantedFinding = useRef<string | null>(null)
  const onFinding = useCallback(
    ({ id, file, line }: Finding) => {
      wantedFinding.current = id
      if (file === undefined) return
      setToggled((known) => new Map(known).set(file, true))
      jump({ file, ...(line === undefined ? {} : { line }) })
    },
    [jump],
  )
  useEffect(() => {
    const id = wantedFinding.current
    const note = [...(region.current?.querySelectorAll<HTMLElement>('[data-finding]') ?? [])].find(
      (element) => element.dataset['finding'] === id,
    )
    if (note === undefined) return
    wantedFinding.current = null
    note.focus({ preventScroll: true })
    note.scrollIntoView({ block: 'center' })
  }, [target, toggled])
  useReviewKeys({
    region,
    findings,
    onFinding,
    onViewed: useCallback(
      (path: string) => {
        const index = diff.files.findIndex((file) => file.path === path)
        const isViewed = viewed.includes(markOf(index))
        setViewed(index, !isViewed)
        return !isViewed
      },
      [diff, viewed, markOf, setViewed],
    ),
  })

  const ends = { from: diff.from ?? undefined, to: diff.to ?? undefined }
  return (
    <div ref={region} className="min-h-0 flex-1 overflow-y-auto">
      <FileList
        files={diff.files}
        isViewed={(index) => viewed.includes(markOf(index))}
        onJump={(file) => jump({ file })}
      />
      {diff.files.map((file, index) => {
        const isViewed = viewed.includes(markOf(index))
        const isNamed = target?.file === file.path
        const isOpen = toggled.get(file.path) ?? (isNamed || (!isViewed && openAtFirst.has(file.path)))
        return (
          <FileDiff
            key={file.path}
            file={file}
            hunks={hunks[index] ?? NO_HUNKS}
            isSplit={isSplit}
            isViewed={isViewed}
            isOpen={isOpen}
            findings={findings.filter((finding) => finding.file === file.path)}
            touched={task?.files.find(({ path }) => path === file.path) ?? null}
            taskId={taskId}
            conversationId={conversationId}
            isPast={target?.toCheckpointId !== undefined}
            line={isNamed ? (target?.line ?? null) : null}
            readWide={async (contextLines) => {
              const wide = await api.getDiff(taskId, { ...ends, path: file.path, context: contextLines })
              const at = wide.files.findIndex(({ path }) => path === file.path)
              return { contextLines, hunks: parsePatch(wide.patch)[at]?.hunks ?? [], truncated: wide.truncated }
            }}
            onToggle={() => setToggled(new Map(toggled).set(file.path, !isOpen))}
            onViewed={(value) => setViewed(index, value)}
            onOpenFile={() => navigate({ panel: 'files', file: file.path })}
            onTurn={(turn) => jump({ turn })}
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

/** The hunks of each file; a file that stayed as it was keeps its own, and with them what was opened around them. */
function useHunks(diff: Diff): readonly (readonly PatchHunk[])[] {
  const known = useRef<ReadonlyMap<string, readonly PatchHunk[]>>(new Map())
  return useMemo(() => {
    const hunks = parsePatch(diff.patch).map(({ hunks: fresh }, index) => {
      const old = known.current.get(diff.files[index]?.path ?? '')
      return old !== undefined && isSameHunks(old, fresh) ? old : fresh
    })
    known.current = new Map(diff.files.map(({ path }, index) => [path, hunks[index] ?? NO_HUNKS]))
    return hunks
  }, [diff])
}

const NO_HUNKS: readonly PatchHunk[] = []

/** The newest word on each finding of the task about a file of this diff, in the order in which they stand there. */
function findingsOf(task: TaskView | null, diff: Diff): readonly Finding[] {
  const byId = new Map<string, Finding>()
  for (const round of task?.rounds ?? []) for (const finding of round.findings) byId.set(finding.id, finding)
  const placeOf = ({ file }: Finding): number => diff.files.findIndex(({ path }) => path === file)
  return [...byId.values()]
    .filter((finding) => placeOf(finding) >= 0)
    .sort((a, b) => placeOf(a) - placeOf(b) || (a.line ?? 0) - (b.line ?? 0))
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
