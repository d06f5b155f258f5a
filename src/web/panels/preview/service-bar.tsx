import { ExternalLink, RotateCw, ScrollText, Square } from 'lucide-react'
import { isEnded, type ServiceState } from '../../../shared/service.ts'
import { api } from '../../api/client.ts'
import type { ApiService } from '../../api/types.ts'
import { VisibleText } from '../../code/visible-text.tsx'
import { Badge, type Tone } from '../../ui/badge.tsx'
import { Button } from '../../ui/button.tsx'
import { IconButton } from '../../ui/icon-button.tsx'
import { showFault } from '../../ui/toast.tsx'
import { useBusy } from '../../ui/use-busy.ts'

const TONES: Readonly<Record<ServiceState, Tone>> = {
  starting: 'info',
  listening: 'good',
  exited: 'bad',
  stopped: 'neutral',
}

interface ServiceBarProps {
  readonly projectId: string
  readonly service: ApiService
  readonly isLogOpen: boolean
  onLog(): void
  onStarted(service: ApiService): void
  onChanged(): void
}

/** Where a service stands, and what a person can do with it. */
export function ServiceBar({ projectId, service, isLogOpen, onLog, onStarted, onChanged }: ServiceBarProps) {
  const [busy, run] = useBusy<'stop' | 'restart'>()
  const stop = () =>
    run('stop', async () => {
      await api.stopService(projectId, service.id)
      onChanged()
    })
  const restart = () => run('restart', async () => onStarted(await api.restartService(projectId, service.id)))
  const { state, port, ports, name, command, exitCode, reason } = service
  const how = exitCode === null ? '' : `Exit code ${exitCode}. `
  return (
    <div className="border-b border-line px-3 py-1.5">
      <div className="flex flex-wrap items-center gap-2">
        <Badge tone={TONES[state]}>{state}</Badge>
        <span className="min-w-0 flex-1 truncate font-mono text-xs" title={command}>
          <VisibleText text={name} />
        </span>
        {state === 'listening' && <span className="font-mono text-xs text-muted">{`:${port}`}</span>}
        <IconButton
          size="small"
          label={isLogOpen ? 'Hide the log' : 'Show the log'}
          isPressed={isLogOpen}
          icon={<ScrollText className="size-4" />}
          onClick={onLog}
        />
        {state === 'listening' && (
          <IconButton
            size="small"
            label="Open in a new window"
            icon={<ExternalLink className="size-4" />}
            onClick={() => void openWindow(projectId, service.id)}
          />
        )}
        <Button
          size="small"
          isBusy={busy === 'restart'}
          disabled={busy !== null}
          icon={<RotateCw className="size-3.5" />}
          onClick={() => void restart()}
        >
          {isEnded(state) ? 'Start again' : 'Restart'}
        </Button>
        {!isEnded(state) && (
          <Button
            size="small"
            isBusy={busy === 'stop'}
            disabled={busy !== null}
            icon={<Square className="size-3.5" />}
            onClick={() => void stop()}
          >
            Stop
          </Button>
        )}
      </div>
      {isEnded(state) && how + (reason ?? '') !== '' && (
        <p className="mt-1 text-xs text-muted">
          <VisibleText text={`${how}${reason ?? ''}`} />
        </p>
      )}
      {state === 'listening' && ports.length > 1 && (
        <p className="mt-1 text-xs text-faint">{`It listens on ${ports.join(', ')}; port ${port} is shown.`}</p>
      )}
    </div>
  )
}

/** The window is opened before its address is known: later the browser would take it for one that nobody asked for. */
async function openWindow(projectId: string, serviceId: string): Promise<void> {
  const opened = window.open('about:blank', '_blank')
  try {
    const { url } = await api.openPreview(projectId, serviceId)
    if (opened === null) return
    opened.opener = null
    opened.location.replace(url)
  } catch (error) {
    opened?.close()
    showFault(error)
  }
}
