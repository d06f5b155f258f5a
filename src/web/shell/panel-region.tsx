import { type ComponentType, lazy, Suspense, useMemo } from 'react'
import type { PanelName, PanelProps, PanelTarget } from '../panels/panel.ts'
import { useTask } from '../store/use-view.ts'
import { Skeleton } from '../ui/spinner.tsx'
import { Tabs } from '../ui/tabs.tsx'
import { PanelBoundary } from './panel-boundary.tsx'

const PANELS: Readonly<Record<PanelName, ComponentType<PanelProps>>> = {
  changes: lazy(() => import('../panels/changes-panel.tsx')),
  terminal: lazy(() => import('../panels/terminal-panel.tsx')),
  files: lazy(() => import('../panels/files-panel.tsx')),
  context: lazy(() => import('../panels/context-panel.tsx')),
  environment: lazy(() => import('../panels/environment-panel.tsx')),
  review: lazy(() => import('../panels/review-panel.tsx')),
  checkpoints: lazy(() => import('../panels/checkpoints-panel.tsx')),
  metrics: lazy(() => import('../panels/metrics-panel.tsx')),
  preview: lazy(() => import('../panels/preview-panel.tsx')),
}

interface PanelRegionProps {
  readonly projectId: string
  readonly conversationId: string | null
  readonly taskId: string | null
  readonly panel: PanelName
  readonly target: PanelTarget | null
  readonly navigate: (target: PanelTarget) => void
}

/** The right-hand region: the tabs, and the chosen panel. A panel that breaks says so and leaves the others alone. */
export function PanelRegion({ projectId, conversationId, taskId, panel, target, navigate }: PanelRegionProps) {
  const task = useTask(taskId)
  const Panel = PANELS[panel]
  const items = useMemo(
    () => [
      { id: 'changes' as const, label: 'Changes', count: task?.diffStat.files ?? 0 },
      { id: 'terminal' as const, label: 'Terminal' },
      { id: 'files' as const, label: 'Files' },
      { id: 'context' as const, label: 'Context' },
      { id: 'review' as const, label: 'Review' },
      { id: 'checkpoints' as const, label: 'Checkpoints' },
      { id: 'metrics' as const, label: 'Metrics' },
      { id: 'environment' as const, label: 'Environment' },
      { id: 'preview' as const, label: 'Preview' },
    ],
    [task?.diffStat.files],
  )
  return (
    <section aria-label="The work" className="flex min-h-0 min-w-0 flex-1 flex-col bg-surface">
      <Tabs label="The work" items={items} value={panel} onChange={(id) => navigate({ panel: id })}>
        <PanelBoundary key={`${projectId}/${panel}`}>
          <Suspense fallback={<Skeleton lines={5} />}>
            <Panel
              projectId={projectId}
              conversationId={conversationId}
              taskId={taskId}
              task={task}
              navigate={navigate}
              target={target?.panel === panel ? target : null}
            />
          </Suspense>
        </PanelBoundary>
      </Tabs>
    </section>
  )
}
