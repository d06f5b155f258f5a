import { ChevronRight, Eye } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import type { PanelTarget } from '../panels/panel.ts'
import { classNames } from '../ui/class-names.ts'
import { Skeleton } from '../ui/spinner.tsx'

const ReviewerTranscript = lazy(() => import('./reviewer-transcript.tsx'))

export interface ReviewerWordsProps {
  readonly taskId: string
  readonly round: number
  readonly isLive: boolean
  readonly navigate: (target: PanelTarget) => void
}

/** The reviewer's own words and reads, behind one line; read from the server once somebody opens it. */
export function ReviewerWords(props: ReviewerWordsProps) {
  const [isOpen, setOpen] = useState(false)
  return (
    <div>
      <button
        type="button"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
        className="flex w-full items-center gap-2 rounded-md px-2 py-1 text-left text-xs text-muted hover:bg-hover"
      >
        <Eye aria-hidden="true" className="size-3.5 shrink-0 text-faint" />
        <span className="min-w-0 flex-1 truncate">What the reviewer said and read</span>
        <ChevronRight
          aria-hidden="true"
          className={classNames('size-3.5 shrink-0 text-faint transition-transform', isOpen && 'rotate-90')}
        />
      </button>
      {isOpen && (
        <Suspense fallback={<Skeleton lines={3} />}>
          <ReviewerTranscript {...props} />
        </Suspense>
      )}
    </div>
  )
}
