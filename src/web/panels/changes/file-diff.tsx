import { ChevronDown, ChevronRight, FileText } from 'lucide-react'
import { useMemo, useState } from 'react'
import type { Finding } from '../../../shared/review.ts'
import type { DiffFile } from '../../api/types.ts'
import { type TokenLines, useHighlight } from '../../code/highlighter.ts'
import { languageOf } from '../../code/languages.ts'
import { VisibleText } from '../../code/visible-text.tsx'
import { Badge } from '../../ui/badge.tsx'
import { Button } from '../../ui/button.tsx'
import { classNames } from '../../ui/class-names.ts'
import { IconButton } from '../../ui/icon-button.tsx'
import { SplitRows, type TokensOf, UnifiedRows } from './diff-rows.tsx'
import type { PatchHunk, PatchLine } from './parse-patch.ts'

/** More lines than this are shown when asked for. */
const LINES_AT_ONCE = 600
const MAX_LINE_CHARACTERS = 4_000

export interface FileDiffProps {
  readonly file: DiffFile
  readonly hunks: readonly PatchHunk[]
  readonly isSplit: boolean
  readonly isViewed: boolean
  readonly isOpen: boolean
  readonly findings: readonly Finding[]
  /** Line that the address names. */
  readonly line: number | null
  onToggle(): void
  onViewed(isViewed: boolean): void
  onOpenFile(): void
}

const KIND_TONE = { create: 'good', delete: 'bad', modify: 'neutral' } as const

/** One file of a diff: its header always, its lines when it is open. */
export function FileDiff(props: FileDiffProps) {
  const { file, hunks, isOpen, isViewed, onToggle, onViewed, onOpenFile } = props
  const kind = file.kind in KIND_TONE ? (file.kind as keyof typeof KIND_TONE) : 'modify'
  return (
    <section id={fileAnchor(file.path)} aria-label={file.path} className="border-b border-line">
      <header className="sticky top-0 z-10 flex items-center gap-2 bg-surface px-2 py-1.5">
        <button
          type="button"
          aria-expanded={isOpen}
          onClick={onToggle}
          className="flex min-w-0 flex-1 items-center gap-1.5 rounded text-left text-sm"
        >
          {isOpen ? <ChevronDown className="size-4 shrink-0" /> : <ChevronRight className="size-4 shrink-0" />}
          <span className={classNames('truncate font-mono text-xs', isViewed && 'text-faint')} title={file.path}>
            <VisibleText text={file.path} />
          </span>
          {kind !== 'modify' && <Badge tone={KIND_TONE[kind]}>{kind === 'create' ? 'new' : 'deleted'}</Badge>}
        </button>
        <LineCounts added={file.added} removed={file.removed} />
        {kind !== 'delete' && (
          <IconButton
            size="small"
            label="Open the file"
            icon={<FileText className="size-3.5" />}
            onClick={onOpenFile}
          />
        )}
        <label className="flex items-center gap-1 text-xs text-muted">
          <input
            type="checkbox"
            checked={isViewed}
            onChange={(event) => onViewed(event.target.checked)}
            className="size-3.5 accent-accent"
          />
          viewed
        </label>
      </header>
      {isOpen && (file.binary ? <Note>A binary file.</Note> : <Lines {...props} hunks={hunks} />)}
    </section>
  )
}

/** Where the address jumps to. */
export function fileAnchor(path: string): string {
  return `diff-${encodeURIComponent(path)}`
}

/** `+3 −1`, with words for screen readers. */
export function LineCounts({ added, removed }: { added: number; removed: number }) {
  return (
    <span className="shrink-0 font-mono text-xs tabular-nums">
      <span className="sr-only">{`${added} lines added, ${removed} removed`}</span>
      <span aria-hidden="true">
        <span className="text-good">+{added}</span> <span className="text-bad">−{removed}</span>
      </span>
    </span>
  )
}

function Note({ children }: { children: string }) {
  return <p className="px-8 py-3 text-sm text-muted">{children}</p>
}

function Lines({ file, hunks, isSplit, findings, line }: FileDiffProps) {
  const [limit, setLimit] = useState(LINES_AT_ONCE)
  const [isForced, setForced] = useState(false)
  const shown = useMemo(() => firstLines(hunks, limit), [hunks, limit])
  const tokensOf = useTokens(shown, file.path)
  const total = hunks.reduce((sum, hunk) => sum + hunk.lines.length, 0)
  if (total === 0) return <Note>Only its name or mode changed, or its lines are not in this diff.</Note>
  const isMinified = hunks.some((hunk) => hunk.lines.some(({ text }) => text.length > MAX_LINE_CHARACTERS))
  if (isMinified && !isForced) {
    return (
      <div className="flex items-center gap-3 px-8 py-3 text-sm text-muted">
        It has very long lines.
        <Button size="small" onClick={() => setForced(true)}>
          Load anyway
        </Button>
      </div>
    )
  }
  const Rows = isSplit ? SplitRows : UnifiedRows
  return (
    <div className="overflow-x-auto pb-1">
      <table className="w-full border-collapse font-mono text-xs leading-5">
        <caption className="sr-only">{`Changes in ${file.path}`}</caption>
        {shown.map((hunk, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the hunks of a diff never move
          <Rows key={index} hunk={hunk} tokensOf={tokensOf} findings={findings} line={line} />
        ))}
      </table>
      {total > limit && (
        <Button size="small" className="my-2 ml-8" onClick={() => setLimit(limit + 2 * LINES_AT_ONCE)}>
          {`Show more of ${(total - limit).toLocaleString('en-US')} lines`}
        </Button>
      )}
    </div>
  )
}

function firstLines(hunks: readonly PatchHunk[], limit: number): PatchHunk[] {
  const first: PatchHunk[] = []
  let left = limit
  for (const hunk of hunks) {
    if (left <= 0) break
    first.push({ ...hunk, lines: hunk.lines.slice(0, left) })
    left -= hunk.lines.length
  }
  return first
}

/** Both sides are coloured as one text each, since a removed and an added line never belong to one program. */
function useTokens(hunks: readonly PatchHunk[], path: string): TokensOf {
  const sides = useMemo(() => {
    const lines = hunks.flatMap((hunk) => hunk.lines)
    return { before: sideOf(lines, 'added'), after: sideOf(lines, 'removed') }
  }, [hunks])
  const language = languageOf(path)
  const before = useHighlight(sides.before.text, language)
  const after = useHighlight(sides.after.text, language)
  return useMemo(() => {
    const find = (side: { index: ReadonlyMap<PatchLine, number> }, tokens: TokenLines | null, line: PatchLine) => {
      const at = side.index.get(line)
      return at === undefined ? undefined : tokens?.[at]
    }
    return (line) => (line.kind === 'removed' ? find(sides.before, before, line) : find(sides.after, after, line))
  }, [sides, before, after])
}

function sideOf(lines: readonly PatchLine[], without: PatchLine['kind']) {
  const own = lines.filter((line) => line.kind !== without)
  return { text: own.map((line) => line.text).join('\n'), index: new Map(own.map((line, index) => [line, index])) }
}
