import { api } from '../api/client.ts'
import { useQuery } from '../api/use-query.ts'
import type { PanelTarget } from '../panels/panel.ts'
import type { PartView } from '../state.ts'
import { messageFromApi } from '../store/from-api.ts'
import { useView } from '../store/use-view.ts'
import { Markdown } from '../text/markdown.tsx'
import { Skeleton } from '../ui/spinner.tsx'
import { ErrorState } from '../ui/states.tsx'
import { ToolLine } from './tool-line.tsx'

/** Whose words: a round of a task; `isLive` while it runs. */
export interface ReviewerWordsProps {
  readonly taskId: string
  readonly round: number
  readonly isLive: boolean
  readonly navigate: (target: PanelTarget) => void
}

/** All that a round's reviewer said and looked at, read from the server. */
export default function ReviewerTranscript({ taskId, round, isLive, navigate }: ReviewerWordsProps) {
  // While it looks, each of its calls that ends is news.
  const version = useView((state) =>
    isLive
      ? state.view.messages.filter(({ author, taskId: owner }) => author === 'reviewer' && owner === taskId).length
      : 0,
  )
  const messages = useQuery(
    `reviewer:${taskId}:${round}`,
    async (signal) => (await api.listReviewerMessages(taskId, round, signal)).items.map(messageFromApi),
    version,
  )
  if (messages.value === undefined) {
    return messages.error === undefined ? (
      <Skeleton lines={3} label="Loading the reviewer’s words" />
    ) : (
      <ErrorState error={messages.error} onRetry={messages.reload} />
    )
  }
  const parts = messages.value.flatMap((message) => message.parts)
  if (parts.length === 0) {
    return (
      <p className="px-2 pb-1 text-xs text-muted">{isLive ? 'Nothing yet.' : 'No reviewer was asked in this round.'}</p>
    )
  }
  return (
    <div className="ml-3 flex flex-col gap-1 border-l-2 border-line pl-2">
      {parts.map((part) => (
        <Word key={part.partId} part={part} taskId={taskId} navigate={navigate} />
      ))}
    </div>
  )
}

function Word({ part, taskId, navigate }: { part: PartView; taskId: string; navigate: (target: PanelTarget) => void }) {
  if (part.type === 'tool') return <ToolLine tool={part} taskId={taskId} navigate={navigate} />
  if (part.type === 'thinking' || part.text.trim() === '') return null
  return (
    <div className="px-2 text-sm text-muted">
      <Markdown text={part.text} />
    </div>
  )
}
