import { type KeyboardEvent, useEffect, useId, useMemo, useState } from 'react'
import { api } from '../api/client.ts'
import { PANEL_NAMES, type PanelTarget } from '../panels/panel.ts'
import { NEW_CONVERSATION } from '../routing/route.ts'
import { goTo } from '../routing/use-route.ts'
import { useProjects } from '../shell/projects.ts'
import { useTheme } from '../shell/theme.ts'
import { useView } from '../store/use-view.ts'
import { classNames } from '../ui/class-names.ts'
import { Dialog } from '../ui/dialog.tsx'
import { INPUT_CLASS } from '../ui/field.tsx'
import { showFault, showToast } from '../ui/toast.tsx'
import { matchCommands, type PaletteCommand } from './commands.ts'

interface PaletteProps {
  readonly onClose: () => void
  readonly projectId: string
  readonly navigate: (target: PanelTarget) => void
  readonly onHelp: () => void
  readonly onCredentials: () => void
}

/** Everything that can be gone to or done, by its name. */
export default function Palette(props: PaletteProps) {
  return (
    <Dialog isOpen onClose={props.onClose} title="Go to or do">
      <PaletteBody {...props} />
    </Dialog>
  )
}

function PaletteBody({ onClose, projectId, navigate, onHelp, onCredentials }: PaletteProps) {
  const [typed, setTyped] = useState('')
  const [active, setActive] = useState(0)
  const id = useId()
  const commands = useCommands(projectId, navigate, { onHelp, onCredentials })
  const found = useMemo(() => matchCommands(commands, typed), [commands, typed])
  useEffect(() => setActive(0), [typed])
  const run = (command: PaletteCommand | undefined): void => {
    if (command === undefined) return
    onClose()
    command.run()
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step !== 0 && found.length > 0) setActive((active + step + found.length) % found.length)
    else if (event.key === 'Enter') run(found[active])
    else return
    event.preventDefault()
  }
  return (
    <>
      <input
        role="combobox"
        aria-expanded="true"
        aria-controls={id}
        aria-activedescendant={found[active] === undefined ? undefined : `${id}-${found[active].id}`}
        aria-label="Name of a place or an action"
        autoComplete="off"
        placeholder="Type a name"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={onKeyDown}
        className={classNames(INPUT_CLASS, 'h-10 text-base')}
      />
      <ul id={id} role="listbox" aria-label="Found" className="mt-2">
        {found.map((command, index) => (
          <li
            key={command.id}
            id={`${id}-${command.id}`}
            role="option"
            aria-selected={index === active}
            onMouseMove={() => setActive(index)}
            onMouseDown={(event) => {
              event.preventDefault()
              run(command)
            }}
            className={classNames(
              'flex cursor-pointer items-center gap-2 rounded-md px-2 py-1.5 text-sm',
              index === active && 'bg-hover',
            )}
          >
            <span className="w-20 shrink-0 truncate text-xs text-faint">{command.group}</span>
            <span className="min-w-0 flex-1 truncate">{command.label}</span>
            {command.shortcut !== undefined && <kbd className="font-sans text-xs text-faint">{command.shortcut}</kbd>}
          </li>
        ))}
        {found.length === 0 && <li className="px-2 py-3 text-sm text-muted">Nothing has that name.</li>}
      </ul>
    </>
  )
}

function useCommands(
  projectId: string,
  navigate: (target: PanelTarget) => void,
  { onHelp, onCredentials }: Pick<PaletteProps, 'onHelp' | 'onCredentials'>,
): readonly PaletteCommand[] {
  const { projects } = useProjects()
  const conversations = useView((state) => state.conversations)
  const [, setTheme] = useTheme()
  return useMemo(() => {
    const panels = PANEL_NAMES.map(
      (panel, index): PaletteCommand => ({
        id: `panel-${panel}`,
        group: 'Show',
        label: panel[0]?.toUpperCase() + panel.slice(1),
        shortcut: `Alt ${index + 1}`,
        run: () => navigate({ panel }),
      }),
    )
    const talks = conversations.toReversed().map(
      (conversation): PaletteCommand => ({
        id: conversation.id,
        group: 'Go to',
        label: conversation.title,
        run: () => goTo({ projectId, conversationId: conversation.id, target: null }),
      }),
    )
    const places = projects.toReversed().map(
      (project): PaletteCommand => ({
        id: project.id,
        group: 'Project',
        label: project.name,
        run: () => goTo({ projectId: project.id, conversationId: null, target: null }),
      }),
    )
    const regenerate = async (): Promise<void> => {
      try {
        await api.regenerateContext(projectId)
        showToast('The project context is being made anew.')
      } catch (error) {
        showFault(error)
      }
    }
    return [
      {
        id: 'new',
        group: 'Do',
        label: 'New conversation',
        shortcut: 'Alt N',
        run: () => goTo({ projectId, conversationId: NEW_CONVERSATION, target: null }),
      },
      ...panels,
      ...talks,
      ...places,
      { id: 'regenerate', group: 'Do', label: 'Regenerate the project context', run: () => void regenerate() },
      { id: 'light', group: 'Theme', label: 'Light', run: () => setTheme('light') },
      { id: 'dark', group: 'Theme', label: 'Dark', run: () => setTheme('dark') },
      { id: 'system', group: 'Theme', label: 'As the system', run: () => setTheme('system') },
      { id: 'credentials', group: 'Do', label: 'Credentials', run: onCredentials },
      { id: 'help', group: 'Do', label: 'Keyboard shortcuts', shortcut: '?', run: onHelp },
    ]
  }, [projects, conversations, projectId, navigate, onHelp, onCredentials, setTheme])
}
