import { ChevronDown, ChevronRight } from 'lucide-react'
import { useMemo, useState } from 'react'
import { type PatchHunk, parsePatch } from '../../shared/patch.ts'
import { api } from '../api/client.ts'
import type { DiffFile } from '../api/types.ts'
import { useQuery } from '../api/use-query.ts'
import { ShortPath } from '../code/short-path.tsx'
import type { WideHunks } from '../panels/changes/expand-hunks.ts'
import { FileLines, FileNote } from '../panels/changes/file-lines.tsx'
import { LineCounts } from '../panels/changes/line-counts.tsx'
import { Skeleton } from '../ui/spinner.tsx'
import { ErrorState } from '../ui/states.tsx'

/** Files whose lines are shown without being asked for. */
const OPEN_AT_FIRST = 3

/** What one alternative changed, to be read only: it belongs to a copy of the project. */
export function AlternativeDiff({ comparisonId, index, name }: { comparisonId: string; index: number; name: string }) {
  const { value, error, reload } = useQuery(`alternative-diff:${comparisonId}:${index}`, (signal) =>
    api.getAlternativeDiff(comparisonId, index, {}, signal),
  )
  const hunks = useMemo(() => (value === undefined ? [] : parsePatch(value.patch).map((file) => file.hunks)), [value])
  const readWide = async (path: string, context: number): Promise<WideHunks> => {
    const wide = await api.getAlternativeDiff(comparisonId, index, { path, context })
    const at = wide.files.findIndex((file) => file.path === path)
    return { contextLines: context, hunks: parsePatch(wide.patch)[at]?.hunks ?? [], truncated: wide.truncated }
  }
  return (
    <section aria-label={`Diff of ${name}`} className="mt-4">
      <h3 className="mb-1.5 text-sm font-semibold">Diff of {name}</h3>
      {value === undefined &&
        (error === undefined ? (
          <Skeleton lines={5} label="Loading the diff" />
        ) : (
          <ErrorState error={error} onRetry={reload} />
        ))}
      <div className="overflow-hidden rounded-lg border border-line empty:hidden">
        {value?.files.map((file, at) => (
          <FileSection
            key={file.path}
            file={file}
            hunks={hunks[at] ?? NO_HUNKS}
            isOpenAtFirst={at < OPEN_AT_FIRST}
            readWide={(context) => readWide(file.path, context)}
          />
        ))}
      </div>
      {value?.truncated === true && (
        <p className="mt-2 text-sm text-warn">
          This diff is too long to be shown whole; the list above names every file.
        </p>
      )}
    </section>
  )
}

const NO_HUNKS: readonly PatchHunk[] = []

function FileSection({
  file,
  hunks,
  isOpenAtFirst,
  readWide,
}: {
  file: DiffFile
  hunks: readonly PatchHunk[]
  isOpenAtFirst: boolean
  readWide: (contextLines: number) => Promise<WideHunks>
}) {
  const [isOpen, setOpen] = useState(isOpenAtFirst)
  const Chevron = isOpen ? ChevronDown : ChevronRight
  return (
    <section aria-label={file.path} className="border-line not-last:border-b">
      <button
        type="button"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
        className="flex w-full items-center gap-1.5 px-2 py-1.5 text-left hover:bg-hover"
      >
        <Chevron aria-hidden="true" className="size-4 shrink-0" />
        <ShortPath path={file.path} className="flex-1" />
        <LineCounts added={file.added} removed={file.removed} />
      </button>
      {isOpen &&
        (file.binary ? (
          <FileNote>A binary file.</FileNote>
        ) : (
          <FileLines
            path={file.path}
            hunks={hunks}
            isSplit={false}
            findings={[]}
            line={null}
            conversationId={null}
            isPast={false}
            readWide={readWide}
          />
        ))}
    </section>
  )
}
