import { useView } from '../store/use-view.ts'
import type { WorkspaceState } from '../store/workspace-state.ts'
import { StatusDot, type Tone } from '../ui/badge.tsx'
import { AfterDelay } from '../ui/spinner.tsx'

/** Whether what one sees is what is. Quiet while all is well. */
export function ConnectionState() {
  const connection = useView((state) => state.connection)
  const { tone, label, text } = describe(connection)
  return (
    <span role="status" className="flex shrink-0 items-center gap-1.5 text-xs text-muted">
      <StatusDot tone={tone} label={label} isLive={tone === 'warn'} />
      {text !== null && <AfterDelay key={text}>{text}</AfterDelay>}
    </span>
  )
}

function describe(connection: WorkspaceState['connection']): { tone: Tone; label: string; text: string | null } {
  switch (connection.kind) {
    case 'live':
      return { tone: 'good', label: 'Connected: everything arrives as it happens', text: null }
    case 'connecting':
      return { tone: 'neutral', label: 'Connecting', text: 'Connecting …' }
    case 'waiting':
      return { tone: 'warn', label: 'The connection is lost; trying again', text: 'Reconnecting …' }
    case 'polling':
      if (!connection.isAnswered) {
        return { tone: 'warn', label: 'Nothing answers; trying again', text: 'Reconnecting …' }
      }
      return { tone: 'warn', label: 'Streams do not come through; asking every few seconds', text: 'Slow updates' }
    case 'resting':
      return { tone: 'neutral', label: 'Resting while this tab is hidden', text: null }
    case 'ended':
      return { tone: 'bad', label: 'Not connected', text: 'Not connected' }
  }
}
