import { type ReactNode, useMemo, useState } from 'react'
import type { PatchHunk, PatchLine } from '../../../shared/patch.ts'
import type { Finding } from '../../../shared/review.ts'
import { type TokenLines, useHighlight } from '../../code/highlighter.ts'
import { languageOf } from '../../code/languages.ts'
import { Button } from '../../ui/button.tsx'
import { CommentForm } from './comment-form.tsx'
import { commentText } from './comment-text.ts'
import { FindingNote, SPLIT_COLUMNS, SplitRows, type TokensOf, UNIFIED_COLUMNS, UnifiedRows } from './diff-rows.tsx'
import type { DiffBlock, WideHunks } from './expand-hunks.ts'
import { GapRow } from './gap-row.tsx'
import { useExpansion } from './use-expansion.ts'

/** More lines than this are shown when asked for. */
const LINES_AT_ONCE = 600
const MAX_LINE_CHARACTERS = 4_000

/** A file’s hunks, and what may be done with their lines. */
export interface FileLinesProps {
  readonly path: string
  readonly hunks: readonly PatchHunk[]
  readonly isSplit: boolean
  readonly findings: readonly Finding[]
  /** Line that the address names. */
  readonly line: number | null
  /** Whose agent a comment on a line is for; null where comments have no meaning. */
  readonly conversationId: string | null
  /** The lines are of an earlier checkpoint than the newest files. */
  readonly isPast: boolean
  /** The file's hunks with more unchanged lines around them. */
  readonly readWide: (contextLines: number) => Promise<WideHunks>
}

/** A file's changed lines, with the unchanged ones around them that were asked for and a comment that is being written. */
export function FileLines({ path, hunks, isSplit, findings, line, conversationId, isPast, readWide }: FileLinesProps) {
  const [limit, setLimit] = useState(LINES_AT_ONCE)
  const [isForced, setForced] = useState(false)
  const [commented, setCommented] = useState<PatchLine | null>(null)
  const [typed, setTyped] = useState('')
  const { blocks, busyGap, isCut, show } = useExpansion(hunks, readWide)
  const shown = useMemo(() => firstLines(blocks, Math.max(limit, lineIndex(blocks, line))), [blocks, limit, line])
  const lines = useMemo(() => shown.flatMap((block) => (block.kind === 'lines' ? block.lines : [])), [shown])
  const tokensOf = useTokens(lines, path)
  const total = countLines(blocks)
  if (total === 0) return <FileNote>Only its name or mode changed, or its lines are not in this diff.</FileNote>
  const isMinified = lines.some(({ text }) => text.length > MAX_LINE_CHARACTERS)
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
  const form = commented !== null && conversationId !== null && (
    <CommentForm
      key={placeOf(commented)}
      subject={`line ${commented.after ?? commented.before} of ${path}`}
      conversationId={conversationId}
      typed={typed}
      onTyped={setTyped}
      textFor={(comment) => commentText(path, commented, comment, { isPast })}
      onClose={() => {
        setCommented(null)
        setTyped('')
      }}
    />
  )
  const isInSight = commented !== null && lines.some((shownLine) => placeOf(shownLine) === placeOf(commented))
  const outside = findings.filter(
    (finding) => finding.state === 'open' && !lines.some(({ after }) => after !== null && after === finding.line),
  )
  return (
    <div className="overflow-x-auto pb-1">
      {outside.map((finding) => (
        <FindingNote key={finding.id} finding={finding} />
      ))}
      <table className="w-full border-collapse font-mono text-xs leading-5">
        <caption className="sr-only">{`Changes in ${path}`}</caption>
        {shown.map((block, index) =>
          block.kind === 'lines' ? (
            <Rows
              // biome-ignore lint/suspicious/noArrayIndexKey: what is shown more joins its neighbours, which begin anew
              key={index}
              lines={block.lines}
              tokensOf={tokensOf}
              findings={findings}
              line={line}
              belowLine={(below) =>
                commented !== null && placeOf(below) === placeOf(commented) && form !== false ? form : null
              }
              onComment={conversationId === null ? null : setCommented}
            />
          ) : (
            <tbody key={`gap-${block.index}`}>
              <GapRow
                gap={block}
                isFirst={block.index === 0}
                isLast={block.index === hunks.length}
                isBusy={busyGap === block.index}
                columns={isSplit ? SPLIT_COLUMNS : UNIFIED_COLUMNS}
                onShow={(where) => show(block.index, where)}
              />
            </tbody>
          ),
        )}
      </table>
      {/* The line may have left the diff while one was writing: the words stay. */}
      {!isInSight && form !== false && <div className="px-3 py-2">{form}</div>}
      {total > countLines(shown) && (
        <Button
          size="small"
          className="my-2 ml-8"
          onClick={() => setLimit(Math.max(limit, countLines(shown)) + 2 * LINES_AT_ONCE)}
        >
          {`Show more of ${(total - countLines(shown)).toLocaleString('en-US')} lines`}
        </Button>
      )}
      {isCut && (
        <p className="px-8 py-2 text-sm text-muted">
          This file is too long to be shown whole here; the rest of it stands in Files.
        </p>
      )}
    </div>
  )
}

/** A sentence in the place of a file's lines. */
export function FileNote({ children }: { children: ReactNode }) {
  return <p className="px-8 py-3 text-sm text-muted">{children}</p>
}

function placeOf({ kind, before, after }: PatchLine): string {
  return `${kind === 'removed' ? `before ${before}` : `after ${after}`}`
}

function countLines(blocks: readonly DiffBlock[]): number {
  return blocks.reduce((sum, block) => sum + (block.kind === 'lines' ? block.lines.length : 0), 0)
}

/** How many lines must be shown for the named one to be among them; 0 when it is not there. */
function lineIndex(blocks: readonly DiffBlock[], line: number | null): number {
  if (line === null) return 0
  const lines = blocks.flatMap((block) => (block.kind === 'lines' ? block.lines : []))
  return lines.findIndex(({ after }) => after === line) + 1
}

function firstLines(blocks: readonly DiffBlock[], limit: number): DiffBlock[] {
  const first: DiffBlock[] = []
  let left = limit
  for (const block of blocks) {
    if (left <= 0) break
    first.push(block.kind === 'gap' ? block : { ...block, lines: block.lines.slice(0, left) })
    if (block.kind === 'lines') left -= block.lines.length
  }
  return first
}

/** Both sides are coloured as one text each, since a removed and an added line never belong to one program. */
function useTokens(lines: readonly PatchLine[], path: string): TokensOf {
  const sides = useMemo(() => ({ before: sideOf(lines, 'added'), after: sideOf(lines, 'removed') }), [lines])
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
