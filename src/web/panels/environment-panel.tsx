import { Play } from 'lucide-react'
import { useState } from 'react'
import { api } from '../api/client.ts'
import type { ProjectEnvironment } from '../api/types.ts'
import { useQuery } from '../api/use-query.ts'
import { VisibleText } from '../code/visible-text.tsx'
import { Badge, type Tone } from '../ui/badge.tsx'
import { Button } from '../ui/button.tsx'
import { formatAgo, formatDuration } from '../ui/format.ts'
import { Skeleton } from '../ui/spinner.tsx'
import { ErrorState } from '../ui/states.tsx'
import { showFault, showToast } from '../ui/toast.tsx'
import { EnvironmentEditor } from './environment/environment-editor.tsx'
import type { PanelProps } from './panel.ts'

const STATES: Readonly<Record<ProjectEnvironment['status']['state'], { tone: Tone; words: string }>> = {
  none: { tone: 'neutral', words: 'nothing to set up' },
  never: { tone: 'neutral', words: 'not set up yet' },
  running: { tone: 'info', words: 'being set up' },
  ready: { tone: 'good', words: 'set up' },
  failed: { tone: 'bad', words: 'set-up failed' },
  stale: { tone: 'warn', words: 'out of date: the next task sets it up' },
}

/** What the project's commands run in: its set-up, its network and its variables. A person's to change. */
export default function EnvironmentPanel({ projectId, task }: PanelProps) {
  const version = `${task?.setup?.state ?? ''}:${task?.endedAt ?? ''}`
  const environment = useQuery(`environment:${projectId}`, (signal) => api.getEnvironment(projectId, signal), version)
  if (environment.value === undefined) {
    if (environment.error === undefined) return <Skeleton lines={8} label="Loading the environment" />
    return <ErrorState error={environment.error} onRetry={environment.reload} />
  }
  const { value } = environment
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section
      aria-label="Environment"
      tabIndex={0}
      className="min-h-0 flex-1 overflow-y-auto focus-visible:-outline-offset-2"
    >
      <SetupStatus projectId={projectId} environment={value} onAsked={environment.reload} />
      <EnvironmentEditor key={value.version} projectId={projectId} environment={value} onSaved={environment.reload} />
      <Findings environment={value} />
    </section>
  )
}

function SetupStatus({
  projectId,
  environment: { status, setup },
  onAsked,
}: {
  projectId: string
  environment: ProjectEnvironment
  onAsked: () => void
}) {
  const [isAsking, setAsking] = useState(false)
  const run = async (): Promise<void> => {
    setAsking(true)
    try {
      const { taskId } = await api.requestSetup(projectId)
      showToast(taskId === null ? 'The set-up is being run.' : 'The running task runs it at its next turn.')
      onAsked()
    } catch (error) {
      showFault(error)
    } finally {
      setAsking(false)
    }
  }
  const { tone, words } = STATES[status.state]
  return (
    <div className="border-b border-line p-3">
      <div className="flex flex-wrap items-center gap-2">
        <h2 className="text-sm font-semibold">Set-up</h2>
        <Badge tone={tone}>{words}</Badge>
        {status.at !== undefined && <span className="text-xs text-muted">{formatAgo(status.at)}</span>}
        {status.durationMs !== undefined && (
          <span className="text-xs text-muted">{`took ${formatDuration(status.durationMs)}`}</span>
        )}
        {status.fromCache && <span className="text-xs text-muted">restored from cache</span>}
        <span className="flex-1" />
        <Button
          size="small"
          isBusy={isAsking}
          disabled={setup.commands.length === 0}
          icon={<Play className="size-3.5" />}
          onClick={() => void run()}
        >
          Run set-up now
        </Button>
      </div>
      {status.output !== undefined && (
        <pre className="mt-2 max-h-60 overflow-auto rounded-md bg-sunken p-2 font-mono text-xs whitespace-pre-wrap">
          <VisibleText text={status.output} />
        </pre>
      )}
    </div>
  )
}

/** What was found out, not chosen: registries, languages, and what is not set up and why. */
function Findings({
  environment: { registries, toolchains, leftOut, proposal, workspace },
}: {
  environment: ProjectEnvironment
}) {
  return (
    <div className="flex flex-col gap-3 border-t border-line p-3 text-xs">
      {workspace === 'unavailable' && (
        <p className="text-warn">The files could not be looked at, so detected commands are missing here.</p>
      )}
      {proposal !== undefined && (
        <details>
          <summary>The repository proposes an environment; nothing of it holds until you copy it above</summary>
          <pre className="mt-1.5 overflow-x-auto font-mono whitespace-pre-wrap">
            <VisibleText text={proposal.text} />
          </pre>
        </details>
      )}
      <Rows title="Not set up" rows={leftOut.map(({ path, reason }) => [path, reason])} />
      <Rows title="Languages and tools" rows={toolchains.map(({ name, version }) => [name, version])} />
      <Rows title="Registries" rows={registries.map(({ tool, hosts }) => [tool, hosts.join(', ')])} />
    </div>
  )
}

function Rows({ title, rows }: { title: string; rows: readonly (readonly [string, string])[] }) {
  if (rows.length === 0) return null
  return (
    <div>
      <h3 className="mb-1 font-semibold">{title}</h3>
      <dl className="grid grid-cols-[max-content_1fr] gap-x-4 gap-y-0.5">
        {rows.map(([name, text]) => (
          <div key={name} className="contents">
            <dt className="font-mono">
              <VisibleText text={name} />
            </dt>
            <dd className="min-w-0 break-words text-muted">
              <VisibleText text={text} />
            </dd>
          </div>
        ))}
      </dl>
    </div>
  )
}
