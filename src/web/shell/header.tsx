import {
  ExternalLink,
  Keyboard,
  KeyRound,
  LogOut,
  Menu as MenuIcon,
  Monitor,
  Moon,
  PanelLeft,
  Search,
  Square,
  Sun,
} from 'lucide-react'
import { type ReactNode, useEffect, useState } from 'react'
import { workflowIdFor } from '../../shared/task.ts'
import type { Instance } from '../api/types.ts'
import { useStop } from '../composer/use-stop.ts'
import { Inbox } from '../people/inbox.tsx'
import type { TaskView } from '../state.ts'
import { useTask } from '../store/use-view.ts'
import { isOverView } from '../store/workspace-state.ts'
import { endingOf } from '../thread/ending.ts'
import { Badge } from '../ui/badge.tsx'
import { Button } from '../ui/button.tsx'
import { classNames } from '../ui/class-names.ts'
import { formatCost, formatDuration, formatElapsed } from '../ui/format.ts'
import { IconButton } from '../ui/icon-button.tsx'
import { Menu } from '../ui/menu.tsx'
import type { MenuEntry } from '../ui/opened-menu.tsx'
import { showFault } from '../ui/toast.tsx'
import { Tooltip } from '../ui/tooltip.tsx'
import { ConnectionState } from './connection-state.tsx'
import { PhaseStepper } from './phase-stepper.tsx'
import { signOut } from './session.ts'
import { useTheme } from './theme.ts'

interface HeaderProps {
  readonly instance: Instance
  readonly conversationId: string | null
  readonly taskId: string | null
  readonly title: string
  readonly onPalette: () => void
  readonly onHelp: () => void
  readonly onCredentials: () => void
  /** Shows or hides the left region; null where it stands as a tab. */
  readonly onNavigation: (() => void) | null
}

const TICK_MS = 1_000

/** What runs, how far it is, what it cost, and the way to stop it. */
export function Header({
  instance,
  conversationId,
  taskId,
  title,
  onPalette,
  onHelp,
  onCredentials,
  onNavigation,
}: HeaderProps) {
  const task = useTask(taskId)
  return (
    <header className="flex h-12 shrink-0 items-center gap-2 border-b border-line bg-surface px-2 sm:gap-3 sm:px-3">
      {onNavigation !== null && (
        <IconButton label="Projects and conversations" icon={<PanelLeft className="size-4" />} onClick={onNavigation} />
      )}
      <h1
        className={classNames(
          'max-w-[15rem] min-w-0 shrink truncate pl-1 text-sm font-semibold',
          taskId !== null && 'max-sm:sr-only',
        )}
      >
        {title}
      </h1>
      <div className="flex min-w-0 flex-1 items-center gap-3">
        {task !== null && (isOverView(task) ? <Ended task={task} /> : <PhaseStepper task={task} />)}
      </div>
      {task !== null && <Figures task={task} />}
      <StopButton conversationId={conversationId} />
      <Inbox />
      <ConnectionState />
      {taskId !== null && <WorkflowLink instance={instance} taskId={taskId} />}
      <IconButton
        label="Search and commands"
        shortcut="Ctrl K"
        icon={<Search className="size-4" />}
        onClick={onPalette}
        className="max-sm:hidden"
      />
      <MoreMenu onHelp={onHelp} onPalette={onPalette} onCredentials={onCredentials} />
    </header>
  )
}

function Ended({ task }: { task: TaskView }) {
  const { title, tone } = endingOf(task)
  return <Badge tone={tone}>{title}</Badge>
}

function Figures({ task }: { task: TaskView }) {
  const now = useNow(!isOverView(task))
  const since = task.startedAt ?? task.acceptedAt
  const durationMs = Math.max(0, (task.endedAt ?? now) - since)
  return (
    <p className="flex shrink-0 items-center gap-2 text-xs tabular-nums text-muted max-sm:hidden">
      <span title="Time">{task.endedAt === null ? formatElapsed(durationMs) : formatDuration(durationMs)}</span>
      <span title="Cost of the model's calls">{formatCost(task.costUsd)}</span>
    </p>
  )
}

function useNow(isTicking: boolean): number {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    if (!isTicking) return
    const timer = setInterval(() => setNow(Date.now()), TICK_MS)
    return () => clearInterval(timer)
  }, [isTicking])
  return now
}

function StopButton({ conversationId }: { conversationId: string | null }) {
  const { taskId, isStopping, stop } = useStop(conversationId)
  if (taskId === null) return null
  return (
    <Button
      look="danger"
      size="small"
      isBusy={isStopping}
      icon={<Square className="size-3 fill-current" />}
      onClick={stop}
    >
      {isStopping ? 'Stopping …' : 'Stop'}
    </Button>
  )
}

function WorkflowLink({ instance, taskId }: { instance: Instance; taskId: string }) {
  const { temporalWebUrl, temporalNamespace = 'default' } = instance
  if (temporalWebUrl === undefined || !/^https?:\/\//.test(temporalWebUrl)) return null
  const path = `/namespaces/${encodeURIComponent(temporalNamespace)}/workflows/${encodeURIComponent(workflowIdFor(taskId))}`
  return (
    <Tooltip text="This task's workflow in Temporal's Web UI">
      <a
        href={temporalWebUrl + path}
        target="_blank"
        rel="noopener noreferrer"
        className="inline-flex size-8 shrink-0 items-center justify-center rounded-md text-muted hover:bg-hover hover:text-ink max-sm:hidden"
        aria-label="This task's workflow in Temporal's Web UI"
      >
        <ExternalLink className="size-4" />
      </a>
    </Tooltip>
  )
}

function MoreMenu({
  onHelp,
  onPalette,
  onCredentials,
}: {
  onHelp: () => void
  onPalette: () => void
  onCredentials: () => void
}) {
  const [theme, setTheme] = useTheme()
  const themes: readonly (readonly [typeof theme, string, ReactNode])[] = [
    ['system', 'Theme of the system', <Monitor key="system" className="size-4" />],
    ['light', 'Light theme', <Sun key="light" className="size-4" />],
    ['dark', 'Dark theme', <Moon key="dark" className="size-4" />],
  ]
  const entries: readonly (MenuEntry | 'line')[] = [
    ...themes.map(([choice, label, icon]) => {
      return { label, icon, isChosen: theme === choice, onSelect: () => setTheme(choice) }
    }),
    'line',
    { label: 'Search and commands', icon: <Search className="size-4" />, onSelect: onPalette },
    { label: 'Credentials', icon: <KeyRound className="size-4" />, onSelect: onCredentials },
    { label: 'Keyboard shortcuts', icon: <Keyboard className="size-4" />, onSelect: onHelp },
    {
      label: 'The API',
      icon: <ExternalLink className="size-4" />,
      onSelect: () => window.open('/docs', '_blank', 'noopener'),
    },
    'line',
    { label: 'Sign out', icon: <LogOut className="size-4" />, onSelect: () => void signOut().catch(showFault) },
  ]
  return (
    <Menu
      trigger={<IconButton label="Menu" hasTooltip={false} icon={<MenuIcon className="size-4" />} />}
      entries={entries}
    />
  )
}
