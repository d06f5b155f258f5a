import { BookOpenText, RefreshCw } from 'lucide-react'
import { useState } from 'react'
import { api } from '../api/client.ts'
import { faultOf } from '../api/fault.ts'
import { useQuery } from '../api/use-query.ts'
import { VisibleText } from '../code/visible-text.tsx'
import { Button } from '../ui/button.tsx'
import { formatAgo, formatCount } from '../ui/format.ts'
import { Skeleton } from '../ui/spinner.tsx'
import { EmptyState, ErrorState } from '../ui/states.tsx'
import { showFault, showToast } from '../ui/toast.tsx'
import type { PanelProps } from './panel.ts'

/** What the model is told of the project before its first turn: word for word, when it was made, and from what. */
export default function ContextPanel({ projectId, task }: PanelProps) {
  const version = `${task?.context?.hash ?? ''}:${task?.endedAt ?? ''}`
  const context = useQuery(`context:${projectId}`, (signal) => api.getContext(projectId, signal), version)
  const [isAsking, setAsking] = useState(false)
  const regenerate = async (): Promise<void> => {
    setAsking(true)
    try {
      const { taskId } = await api.regenerateContext(projectId)
      showToast(
        taskId === null ? 'The context is being made anew.' : 'The running task makes it anew at its next turn.',
      )
      context.reload()
    } catch (error) {
      showFault(error)
    } finally {
      setAsking(false)
    }
  }
  const button = (
    <Button size="small" isBusy={isAsking} icon={<RefreshCw className="size-3.5" />} onClick={() => void regenerate()}>
      Regenerate
    </Button>
  )
  if (context.value === undefined) {
    if (context.error === undefined) return <Skeleton lines={8} label="Loading the context" />
    if (faultOf(context.error).code !== 'not_found')
      return <ErrorState error={context.error} onRetry={context.reload} />
    return (
      <EmptyState title="No context yet" icon={<BookOpenText />} action={button}>
        The first task of a project reads its files and makes one: a few facts that every request begins with.
      </EmptyState>
    )
  }
  const { markdown, generatedAt, tokens, sources } = context.value
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-3 py-1.5 text-xs text-muted">
        <span>{`Made ${formatAgo(generatedAt)}`}</span>
        <span>{`about ${formatCount(tokens)} tokens`}</span>
        <span className="flex-1" />
        {button}
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section
        aria-label="Project context"
        tabIndex={0}
        className="min-h-0 flex-1 overflow-y-auto focus-visible:-outline-offset-2"
      >
        <details className="border-b border-line px-3 py-2 text-xs text-muted">
          <summary>{`Made from ${sources.length} files`}</summary>
          <ul className="mt-1.5 font-mono">
            {sources.map((source) => (
              <li key={source}>
                <VisibleText text={source} />
              </li>
            ))}
          </ul>
        </details>
        <pre className="p-3 font-mono text-xs leading-5 break-words whitespace-pre-wrap">
          <VisibleText text={markdown} />
        </pre>
      </section>
    </div>
  )
}
