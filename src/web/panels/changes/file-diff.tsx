import { ChevronDown, ChevronRight, CircleHelp, FileText } from 'lucide-react'
import { useState } from 'react'
import type { Finding } from '../../../shared/review.ts'
import type { DiffFile } from '../../api/types.ts'
import { ShortPath } from '../../code/short-path.tsx'
import type { FileView } from '../../state.ts'
import { Badge } from '../../ui/badge.tsx'
import { IconButton } from '../../ui/icon-button.tsx'
import type { FileLinesProps } from './file-lines.tsx'
import { FileLines, FileNote } from './file-lines.tsx'
import { LineCounts } from './line-counts.tsx'
import { WhyList } from './why-list.tsx'

/** One file of a diff with its heading; the caller keeps what is open and what was viewed. */
export interface FileDiffProps extends Omit<FileLinesProps, 'path'> {
  readonly file: DiffFile
  readonly isViewed: boolean
  readonly isOpen: boolean
  readonly findings: readonly Finding[]
  /** What the task did to the file, by turn; null when it is not this task's. */
  readonly touched: FileView | null
  readonly taskId: string
  onToggle(): void
  onViewed(isViewed: boolean): void
  onOpenFile(): void
  onTurn(turn: number): void
}

const KIND_TONE = { create: 'good', delete: 'bad', modify: 'neutral' } as const

/** One file of a diff: its header always, its lines when it is open. */
export function FileDiff(props: FileDiffProps) {
  const { file, isOpen, isViewed, touched, taskId, conversationId, onToggle, onViewed, onOpenFile, onTurn } = props
  const [isWhyOpen, setWhyOpen] = useState(false)
  const kind = file.kind in KIND_TONE ? (file.kind as keyof typeof KIND_TONE) : 'modify'
  return (
    <section
      id={fileAnchor(file.path)}
      data-file={file.path}
      aria-label={file.path}
      className="scroll-mt-px border-b border-line"
    >
      <header className="sticky top-0 z-10 flex items-center gap-2 bg-surface px-2 py-1.5">
        <button
          type="button"
          aria-expanded={isOpen}
          data-file-header=""
          onClick={onToggle}
          className="flex min-w-0 flex-1 items-center gap-1.5 rounded text-left text-sm"
        >
          {isOpen ? <ChevronDown className="size-4 shrink-0" /> : <ChevronRight className="size-4 shrink-0" />}
          <ShortPath path={file.path} className={isViewed && 'text-faint'} />
          {kind !== 'modify' && <Badge tone={KIND_TONE[kind]}>{kind === 'create' ? 'new' : 'deleted'}</Badge>}
        </button>
        <LineCounts added={file.added} removed={file.removed} />
        {touched !== null && touched.turns.length > 0 && conversationId !== null && (
          <IconButton
            size="small"
            label="Why it changed"
            aria-expanded={isWhyOpen}
            icon={<CircleHelp className="size-3.5" />}
            onClick={() => setWhyOpen(!isWhyOpen)}
          />
        )}
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
      {isWhyOpen && touched !== null && conversationId !== null && (
        <WhyList file={touched} taskId={taskId} conversationId={conversationId} onTurn={onTurn} />
      )}
      {isOpen && (file.binary ? <FileNote>A binary file.</FileNote> : <FileLines {...props} path={file.path} />)}
    </section>
  )
}

/** Where the address jumps to. */
export function fileAnchor(path: string): string {
  return `diff-${encodeURIComponent(path)}`
}
