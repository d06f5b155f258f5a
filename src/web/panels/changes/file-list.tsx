import { Check } from 'lucide-react'
import { useState } from 'react'
import type { DiffFile } from '../../api/types.ts'
import { ShortPath } from '../../code/short-path.tsx'
import { Button } from '../../ui/button.tsx'
import { LineCounts } from './line-counts.tsx'

const SHOWN_AT_FIRST = 12

/** The files of a diff with more than one, each leading to its lines. */
export function FileList({
  files,
  isViewed,
  onJump,
}: {
  files: readonly DiffFile[]
  isViewed: (index: number) => boolean
  onJump: (path: string) => void
}) {
  const [isWhole, setWhole] = useState(false)
  if (files.length < 2) return null
  const shown = isWhole ? files : files.slice(0, SHOWN_AT_FIRST)
  return (
    <nav aria-label="Changed files" className="border-b border-line px-2 py-1.5">
      <ul>
        {shown.map((file, index) => (
          <li key={file.path}>
            <button
              type="button"
              onClick={() => onJump(file.path)}
              className="flex w-full items-center gap-2 rounded px-1.5 py-0.5 text-left hover:bg-hover"
            >
              <ShortPath path={file.path} className="flex-1" />
              {isViewed(index) && (
                <span className="flex items-center gap-0.5 text-xs text-faint">
                  <Check aria-hidden="true" className="size-3" />
                  viewed
                </span>
              )}
              <LineCounts added={file.added} removed={file.removed} />
            </button>
          </li>
        ))}
      </ul>
      {shown.length < files.length && (
        <Button look="quiet" size="small" onClick={() => setWhole(true)}>
          {`Show all ${files.length}`}
        </Button>
      )}
    </nav>
  )
}
