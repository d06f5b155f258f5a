import { Eye } from 'lucide-react'
import { Expandable } from '../ui/expandable.tsx'
import { lazyPart } from '../ui/lazy-part.tsx'
import { Skeleton } from '../ui/spinner.tsx'
import type { ReviewerWordsProps } from './reviewer-transcript.tsx'

const ReviewerTranscript = lazyPart(() => import('./reviewer-transcript.tsx'), <Skeleton lines={3} />)

/** The reviewer's own words and reads, behind one line; read from the server once somebody opens it. */
export function ReviewerWords(props: ReviewerWordsProps) {
  return (
    <Expandable
      className="w-full text-xs text-muted"
      line={
        <>
          <Eye aria-hidden="true" className="size-3.5 shrink-0 text-faint" />
          <span className="min-w-0 flex-1 truncate">What the reviewer said and read</span>
        </>
      }
    >
      <ReviewerTranscript {...props} />
    </Expandable>
  )
}
