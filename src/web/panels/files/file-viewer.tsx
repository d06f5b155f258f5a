import { useEffect, useRef, useState } from 'react'
import { api } from '../../api/client.ts'
import type { FileContent } from '../../api/types.ts'
import { useQuery } from '../../api/use-query.ts'
import { CodeLine } from '../../code/code-line.tsx'
import { useHighlight } from '../../code/highlighter.ts'
import { languageOf } from '../../code/languages.ts'
import { hasHiddenSigns, VisibleText } from '../../code/visible-text.tsx'
import { Badge } from '../../ui/badge.tsx'
import { Button } from '../../ui/button.tsx'
import { classNames } from '../../ui/class-names.ts'
import { formatBytes } from '../../ui/format.ts'
import { Skeleton } from '../../ui/spinner.tsx'
import { EmptyState, ErrorState } from '../../ui/states.tsx'

const LINES_AT_ONCE = 1_000

/** One file of the workspace, to be read; `line` is brought into view. */
export function FileViewer({
  projectId,
  path,
  line,
  version,
}: {
  projectId: string
  path: string
  line: number | null
  version: string
}) {
  const file = useQuery(`file:${projectId}:${path}`, (signal) => api.readFile(projectId, path, {}, signal), version)
  if (file.value === undefined) {
    return file.error === undefined ? (
      <Skeleton lines={8} label="Loading the file" />
    ) : (
      <ErrorState error={file.error} onRetry={file.reload} />
    )
  }
  return (
    <>
      <header className="flex items-center gap-2 border-b border-line px-3 py-1.5">
        <h3 className="min-w-0 flex-1 truncate font-mono text-xs" title={path}>
          <VisibleText text={path} />
        </h3>
        {!file.value.binary && hasHiddenSigns(file.value.content) && <Badge tone="warn">hidden signs</Badge>}
        <span className="text-xs text-faint">{formatBytes(file.value.sizeBytes)}</span>
      </header>
      {file.value.binary ? (
        <EmptyState title="A binary file">{formatBytes(file.value.sizeBytes)} that are no text.</EmptyState>
      ) : (
        <Lines key={path} file={file.value} line={line} />
      )}
    </>
  )
}

function Lines({ file, line }: { file: FileContent; line: number | null }) {
  const box = useRef<HTMLElement>(null)
  const [limit, setLimit] = useState(Math.max(LINES_AT_ONCE, line ?? 0))
  const tokens = useHighlight(file.content, languageOf(file.path))
  const lines = file.content.split('\n')
  if (lines.at(-1) === '') lines.pop()
  useEffect(() => {
    if (line === null) return
    setLimit((known) => Math.max(known, line))
    box.current?.querySelector(`[data-line="${line}"]`)?.scrollIntoView({ block: 'center' })
  }, [line])
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section
      ref={box}
      aria-label={`Content of ${file.path}`}
      tabIndex={0}
      className="min-h-0 flex-1 overflow-auto focus-visible:-outline-offset-2"
    >
      <table className="w-full border-collapse font-mono text-xs leading-5">
        <tbody>
          {lines.slice(0, limit).map((text, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a line is its number
            <tr key={index} data-line={index + 1} className={classNames(line === index + 1 && 'bg-accent-soft')}>
              <td className="w-px min-w-9 px-2 text-right align-top text-faint tabular-nums select-none">
                {index + 1}
              </td>
              <td className="pr-3 break-all whitespace-pre-wrap">
                <CodeLine text={text} tokens={tokens?.[index]} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {lines.length > limit && (
        <Button size="small" className="m-3" onClick={() => setLimit(limit + 2 * LINES_AT_ONCE)}>
          {`Show more of ${(lines.length - limit).toLocaleString('en-US')} lines`}
        </Button>
      )}
      {file.truncated && <p className="px-4 py-3 text-sm text-warn">Only the beginning of this file is shown.</p>}
    </section>
  )
}
