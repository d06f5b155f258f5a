import {
  ChevronRight,
  CircleHelp,
  FilePen,
  FilePlus2,
  FileSearch,
  FileText,
  ListChecks,
  Search,
  ShieldCheck,
  SquareTerminal,
  Wrench,
} from 'lucide-react'
import { memo, useState } from 'react'
import { outputText } from '../bytes.ts'
import { CodeBlock } from '../code/code-block.tsx'
import type { PanelTarget } from '../panels/panel.ts'
import type { CommandView, ToolPart } from '../state.ts'
import { useView } from '../store/use-view.ts'
import { taskOf } from '../store/workspace-state.ts'
import { classNames } from '../ui/class-names.ts'
import { formatDuration } from '../ui/format.ts'
import { Spinner } from '../ui/spinner.tsx'
import { ToolDetails } from './tool-details.tsx'
import { summarizeTool, type ToolKind, type ToolSummary } from './tool-summary.ts'

const ICONS: Readonly<Record<ToolKind, typeof Wrench>> = {
  run: SquareTerminal,
  read: FileText,
  write: FilePlus2,
  edit: FilePen,
  find: FileSearch,
  search: Search,
  review: ShieldCheck,
  ask: CircleHelp,
  plan: ListChecks,
  other: Wrench,
}

interface ToolLineProps {
  readonly tool: ToolPart
  readonly taskId: string | null
  readonly navigate: (target: PanelTarget) => void
}

/** One call as one line: what, on what, how it went. Opens to its input and output. */
export const ToolLine = memo(function ToolLine({ tool, taskId, navigate }: ToolLineProps) {
  const [isOpen, setOpen] = useState(false)
  const summary = summarizeTool(tool.name, tool.input, tool.inputText)
  const command = useCommand(summary.kind === 'run' ? taskId : null, tool.toolUseId)
  const Icon = ICONS[summary.kind]
  const isRunning = tool.status !== 'finished'
  const isBad = tool.isError || (command !== null && command.status !== 'running' && command.exitCode !== 0)
  return (
    <div className="min-w-0">
      <button
        type="button"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
        className="group flex w-full min-w-0 items-center gap-2 rounded-md px-2 py-1 text-left text-sm hover:bg-hover"
      >
        {isRunning ? (
          <Spinner className="text-accent" />
        ) : (
          <Icon aria-hidden="true" className={classNames('size-3.5 shrink-0', isBad ? 'text-bad' : 'text-faint')} />
        )}
        <span className="shrink-0 text-muted">{summary.verb}</span>
        <span className="min-w-0 flex-1 truncate font-mono text-xs text-ink">{summary.target}</span>
        <Outcome tool={tool} command={command} summary={summary} />
        <ChevronRight
          aria-hidden="true"
          className={classNames('size-3.5 shrink-0 text-faint transition-transform', isOpen && 'rotate-90')}
        />
      </button>
      {isOpen && (
        <div className="mt-1 mb-2 ml-6 flex flex-col gap-2">
          <ToolDetails tool={tool} summary={summary} navigate={navigate} />
          {command !== null && command.status === 'running' && command.length > 0 && (
            <CodeBlock code={outputText(command)} isComplete={false} />
          )}
        </div>
      )}
    </div>
  )
})

function useCommand(taskId: string | null, toolUseId: string): CommandView | null {
  return useView((state) => {
    if (taskId === null) return null
    return taskOf(state, taskId)?.commands.find((command) => command.toolUseId === toolUseId) ?? null
  })
}

function Outcome({ tool, command, summary }: { tool: ToolPart; command: CommandView | null; summary: ToolSummary }) {
  return (
    <span className="flex shrink-0 items-center gap-2 text-xs tabular-nums text-faint">
      {command !== null && command.status !== 'running' && <ExitCode command={command} />}
      {command === null && tool.isError && <span className="font-medium text-bad">failed</span>}
      {summary.added !== undefined && !tool.isError && <span className="text-good">+{summary.added}</span>}
      {summary.removed !== undefined && !tool.isError && <span className="text-bad">−{summary.removed}</span>}
      {tool.durationMs !== null && <span>{formatDuration(tool.durationMs)}</span>}
    </span>
  )
}

const HOW: Readonly<Record<Exclude<CommandView['status'], 'running' | 'exited'>, string>> = {
  timed_out: 'timed out',
  idle_timed_out: 'went silent',
  killed: 'stopped',
  oom: 'out of memory',
  lost: 'lost',
}

function ExitCode({ command }: { command: CommandView }) {
  if (command.status !== 'exited' && command.status !== 'running') {
    return <span className="font-medium text-bad">{HOW[command.status]}</span>
  }
  return (
    <span className={classNames('font-medium', command.exitCode === 0 ? 'text-good' : 'text-bad')}>
      exit {command.exitCode ?? '?'}
    </span>
  )
}
