import { ChevronDown, ChevronUp, Search, SquareTerminal } from 'lucide-react'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import type { CommandView } from '../state.ts'
import { IconButton } from '../ui/icon-button.tsx'
import { Select } from '../ui/select.tsx'
import { EmptyState } from '../ui/states.tsx'
import type { PanelProps } from './panel.ts'
import { Screen, type ScreenTheme } from './terminal/screen.ts'

const NEWEST = ''
const MAX_LABEL_CHARACTERS = 60

/** The commands of the task as they ran, one after the other; live, and the same again after a reload. */
export default function TerminalPanel({ taskId, task, navigate, target }: PanelProps) {
  const commands = task?.commands ?? []
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      {commands.length === 0 ? (
        <EmptyState title="No commands yet" icon={<SquareTerminal />}>
          The commands that the agent runs stand here with their output, live.
        </EmptyState>
      ) : (
        <TerminalView taskId={taskId} commands={commands} navigate={navigate} target={target} />
      )}
    </div>
  )
}

function TerminalView({
  taskId,
  commands,
  navigate,
  target,
}: {
  taskId: string | null
  commands: readonly CommandView[]
  navigate: PanelProps['navigate']
  target: PanelProps['target']
}) {
  const host = useRef<HTMLDivElement>(null)
  const screen = useRef<Screen | null>(null)

  useEffect(() => {
    const element = host.current
    if (element === null) return
    const made = new Screen(element, themeOf(element))
    screen.current = made
    const sizes = new ResizeObserver(() => made.fit())
    sizes.observe(element)
    const unwatch = watchTheme(() => made.setTheme(themeOf(element)))
    return () => {
      unwatch()
      sizes.disconnect()
      screen.current = null
      made.dispose()
    }
  }, [])
  useEffect(() => screen.current?.show(taskId, commands), [taskId, commands])
  useEffect(() => {
    if (target?.toolUseId !== undefined) screen.current?.jumpTo(target.toolUseId)
  }, [target])

  return (
    <>
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-3 py-1.5">
        <Select
          label="Jump to a command"
          isLabelHidden
          size="small"
          className="min-w-0 flex-1"
          value={target?.toolUseId ?? NEWEST}
          options={[
            { value: NEWEST, label: `${commands.length} ${commands.length === 1 ? 'command' : 'commands'}` },
            ...commands.map(({ toolUseId, command }) => ({ value: toolUseId, label: labelOf(command) })),
          ]}
          onChange={(toolUseId) => navigate({ panel: 'terminal', ...(toolUseId === NEWEST ? {} : { toolUseId }) })}
        />
        <FindForm onFind={(text, direction) => screen.current?.find(text, direction) ?? false} />
      </div>
      <section aria-label="Terminal output" ref={host} className="min-h-0 flex-1 overflow-hidden bg-sunken p-2" />
    </>
  )
}

function labelOf(command: string): string {
  const line = command.replaceAll(/\s+/g, ' ').trim()
  return line.length > MAX_LABEL_CHARACTERS ? `${line.slice(0, MAX_LABEL_CHARACTERS)}…` : line
}

function FindForm({ onFind }: { onFind: (text: string, direction: 'next' | 'previous') => boolean }) {
  const [text, setText] = useState('')
  const [isMissing, setMissing] = useState(false)
  const find = (direction: 'next' | 'previous'): void => setMissing(!onFind(text, direction))
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault()
    find('next')
  }
  return (
    <form role="search" className="flex items-center gap-0.5" onSubmit={onSubmit}>
      <Search aria-hidden="true" className="size-3.5 text-faint" />
      <input
        type="search"
        aria-label="Find in the output"
        placeholder="Find"
        value={text}
        aria-invalid={isMissing || undefined}
        onChange={(event) => {
          setText(event.target.value)
          setMissing(false)
        }}
        className="h-7 w-28 rounded-md border border-line-strong bg-surface px-2 text-xs aria-invalid:border-bad"
      />
      <IconButton
        size="small"
        label="Previous"
        icon={<ChevronUp className="size-3.5" />}
        onClick={() => find('previous')}
      />
      <IconButton size="small" label="Next" icon={<ChevronDown className="size-3.5" />} onClick={() => find('next')} />
      <span role="status" className="sr-only">
        {isMissing ? 'Not found' : ''}
      </span>
    </form>
  )
}

/** The tokens of the page as colours that a canvas understands. */
function themeOf(element: HTMLElement): ScreenTheme {
  const { backgroundColor, color } = getComputedStyle(element)
  return { background: backgroundColor, foreground: color, selectionBackground: 'rgba(120, 150, 150, 0.4)' }
}

/** Calls back when the system's or the person's choice of light or dark changes. */
function watchTheme(onChange: () => void): () => void {
  const system = matchMedia('(prefers-color-scheme: dark)')
  const choice = new MutationObserver(onChange)
  system.addEventListener('change', onChange)
  choice.observe(document.documentElement, { attributeFilter: ['data-theme'] })
  return () => {
    system.removeEventListener('change', onChange)
    choice.disconnect()
  }
}
