import { MonitorPlay } from 'lucide-react'
import { useState } from 'react'
import { isEnded } from '../../shared/service.ts'
import { api } from '../api/client.ts'
import type { ApiService } from '../api/types.ts'
import { useQuery } from '../api/use-query.ts'
import { useView } from '../store/use-view.ts'
import { Select } from '../ui/select.tsx'
import { Skeleton } from '../ui/spinner.tsx'
import { EmptyState, ErrorState } from '../ui/states.tsx'
import type { PanelProps } from './panel.ts'
import { PreviewFrame } from './preview/preview-frame.tsx'
import { ServiceBar } from './preview/service-bar.tsx'
import { ServiceLog } from './preview/service-log.tsx'
import { StartService } from './preview/start-service.tsx'

/** The project's own servers: started, seen beside the work, stopped. */
export default function PreviewPanel({ projectId }: PanelProps) {
  const version = useView((state) => state.view.serviceSeq)
  const services = useQuery(`services:${projectId}`, (signal) => api.listServices(projectId, signal), version)
  const [chosenId, setChosenId] = useState<string | null>(null)
  const [isLogOpen, setLogOpen] = useState(false)
  if (services.value === undefined) {
    if (services.error === undefined) return <Skeleton lines={6} label="Loading the services" />
    return <ErrorState error={services.error} onRetry={services.reload} />
  }
  const all = services.value.items.toReversed()
  const chosen = all.find(({ id }) => id === chosenId) ?? all.find(({ state }) => !isEnded(state)) ?? all[0] ?? null
  const onStarted = (service: ApiService) => {
    setChosenId(service.id)
    services.reload()
  }
  return (
    <section aria-label="Preview" className="flex min-h-0 flex-1 flex-col">
      <StartService projectId={projectId} isFirst={all.length === 0} onStarted={onStarted} />
      {chosen === null ? (
        <EmptyState title="No service runs" icon={<MonitorPlay />}>
          Start a dev server above, or ask the agent to; its page stands here, beside the work.
        </EmptyState>
      ) : (
        <>
          {all.length > 1 && (
            <div className="border-b border-line px-3 py-1.5">
              <Select
                label="Service"
                isLabelHidden
                size="small"
                value={chosen.id}
                options={all.map(({ id, name, state }) => ({ value: id, label: `${name} (${state})` }))}
                onChange={setChosenId}
              />
            </div>
          )}
          <ServiceBar
            projectId={projectId}
            service={chosen}
            isLogOpen={isLogOpen}
            onLog={() => setLogOpen(!isLogOpen)}
            onStarted={onStarted}
            onChanged={services.reload}
          />
          {(isLogOpen || chosen.state !== 'listening') && (
            <ServiceLog key={`log:${chosen.id}`} projectId={projectId} service={chosen} />
          )}
          {chosen.state === 'listening' && (
            <PreviewFrame key={`page:${chosen.id}`} projectId={projectId} service={chosen} />
          )}
        </>
      )}
    </section>
  )
}
