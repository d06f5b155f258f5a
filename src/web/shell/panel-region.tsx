import {
  AppWindow,
  BookOpen,
  ChartColumn,
  FileDiff,
  FolderTree,
  History,
  Settings2,
  ShieldCheck,
  SquareTerminal,
} from 'lucide-react'
import { type ComponentType, useMemo } from 'react'
import { PANEL_NAMES, type PanelName, type PanelProps, type PanelTarget } from '../panels/panel.ts'
import { useTask } from '../store/use-view.ts'
import { lazyPart } from '../ui/lazy-part.tsx'
import { Skeleton } from '../ui/spinner.tsx'
import { type TabItem, Tabs } from '../ui/tabs.tsx'

const LOADING = <Skeleton lines={5} />

const PANELS: Readonly<Record<PanelName, ComponentType<PanelProps>>> = {
  changes: lazyPart(() => import('../panels/changes-panel.tsx'), LOADING),
  terminal: lazyPart(() => import('../panels/terminal-panel.tsx'), LOADING),
  files: lazyPart(() => import('../panels/files-panel.tsx'), LOADING),
  context: lazyPart(() => import('../panels/context-panel.tsx'), LOADING),
  environment: lazyPart(() => import('../panels/environment-panel.tsx'), LOADING),
  review: lazyPart(() => import('../panels/review-panel.tsx'), LOADING),
  checkpoints: lazyPart(() => import('../panels/checkpoints-panel.tsx'), LOADING),
  metrics: lazyPart(() => import('../panels/metrics-panel.tsx'), LOADING),
  preview: lazyPart(() => import('../panels/preview-panel.tsx'), LOADING),
}

const LOOKS: Readonly<Record<PanelName, Omit<TabItem<PanelName>, 'id' | 'title'>>> = {
  changes: { label: 'Changes', icon: <FileDiff />, isMain: true },
  terminal: { label: 'Terminal', icon: <SquareTerminal />, isMain: true },
  files: { label: 'Files', icon: <FolderTree />, isMain: true },
  review: { label: 'Review', icon: <ShieldCheck />, isMain: true },
  preview: { label: 'Preview', icon: <AppWindow />, isMain: true },
  checkpoints: { label: 'Checkpoints', icon: <History />, isMain: false },
  context: { label: 'Context', icon: <BookOpen />, isMain: false },
  environment: { label: 'Environment', icon: <Settings2 />, isMain: false },
  metrics: { label: 'Metrics', icon: <ChartColumn />, isMain: false },
}

/** The main ones first; Alt and a digit count them as {@link PANEL_NAMES} does, which the tooltip says. */
const ITEMS: readonly TabItem<PanelName>[] = PANEL_NAMES.map((id, index) => {
  return { id, ...LOOKS[id], title: `${LOOKS[id].label} (Alt ${index + 1})` }
}).sort((a, b) => Number(b.isMain) - Number(a.isMain))

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
    () => ITEMS.map((item) => (item.id === 'changes' ? { ...item, count: task?.diffStat.files ?? 0 } : item)),
    [task?.diffStat.files],
  )
  return (
    <section aria-label="The work" className="flex min-h-0 min-w-0 flex-1 flex-col bg-surface">
      <Tabs label="The work" items={items} value={panel} onChange={(id) => navigate({ panel: id })}>
        <Panel
          key={`${projectId}/${panel}`}
          projectId={projectId}
          conversationId={conversationId}
          taskId={taskId}
          task={task}
          navigate={navigate}
          target={target?.panel === panel ? target : null}
        />
      </Tabs>
    </section>
  )
}
