import { Ellipsis, FolderGit2, MessageSquare, Pencil, Plus, Search, SquarePen, Trash2 } from 'lucide-react'
import { type ReactNode, useMemo, useState } from 'react'
import { api } from '../api/client.ts'
import type { Conversation, Project } from '../api/types.ts'
import { NEW_CONVERSATION } from '../routing/route.ts'
import { goTo } from '../routing/use-route.ts'
import { refreshProjects, useProjects } from '../shell/projects.ts'
import { useView } from '../store/use-view.ts'
import { activeTaskIdOf, taskOf } from '../store/workspace-state.ts'
import { revealReordering } from '../text/reveal-hidden.ts'
import { StatusDot } from '../ui/badge.tsx'
import { Button } from '../ui/button.tsx'
import { classNames } from '../ui/class-names.ts'
import { ConfirmDialog } from '../ui/confirm-dialog.tsx'
import { formatAgo } from '../ui/format.ts'
import { IconButton } from '../ui/icon-button.tsx'
import { lazyPart } from '../ui/lazy-part.tsx'
import { Menu } from '../ui/menu.tsx'
import { Skeleton } from '../ui/spinner.tsx'
import { ErrorState } from '../ui/states.tsx'
import { showToast } from '../ui/toast.tsx'

// Not needed for the first look at the page.
const NewProjectDialog = lazyPart(() => import('./new-project-dialog.tsx'))
const RenameDialog = lazyPart(() => import('./rename-dialog.tsx'))

const SEARCH_FROM = 6

interface NavigationProps {
  readonly projectId: string
  readonly conversationId: string | null
  /** Called when one went somewhere, so that a narrow page shows it. */
  readonly onWent?: () => void
}

/** Projects, and the conversations of the open one, with what runs where. */
export function Navigation({ projectId, conversationId, onWent }: NavigationProps) {
  const { status, projects, error } = useProjects()
  const [search, setSearch] = useState('')
  const [isMaking, setMaking] = useState(false)
  const conversations = useView((state) => state.conversations)
  const shown = useMemo(
    () => filtered(projects, conversations, projectId, search),
    [projects, conversations, projectId, search],
  )
  const open = (id: string, conversation: string | null): void => {
    goTo({ projectId: id, conversationId: conversation, target: null })
    onWent?.()
  }
  return (
    <nav aria-label="Projects and conversations" className="flex min-h-0 flex-1 flex-col bg-sunken">
      <div className="flex h-12 shrink-0 items-center gap-1 px-3">
        <span className="flex-1 text-sm font-bold tracking-tight">Keelson</span>
        <IconButton label="New project" icon={<Plus className="size-4" />} onClick={() => setMaking(true)} />
      </div>
      {projects.length + conversations.length >= SEARCH_FROM && (
        <label className="relative mx-3 mb-2 block">
          <span className="sr-only">Search projects and conversations</span>
          <Search aria-hidden="true" className="absolute top-1/2 left-2 size-3.5 -translate-y-1/2 text-faint" />
          <input
            type="search"
            value={search}
            onChange={(event) => setSearch(event.target.value)}
            placeholder="Search"
            className="h-8 w-full rounded-md border border-line bg-surface pr-2 pl-7 text-sm placeholder:text-faint"
          />
        </label>
      )}
      <div className="min-h-0 flex-1 overflow-y-auto px-2 pb-3">
        {status === 'loading' && <Skeleton lines={4} label="Loading the projects" />}
        {status === 'failed' && <ErrorState error={error} onRetry={() => void refreshProjects()} />}
        {shown.projects.map((project) => (
          <ProjectItem
            key={project.id}
            project={project}
            isOpen={project.id === projectId}
            onOpen={() => open(project.id, null)}
          >
            {project.id === projectId && (
              <ul className="mt-0.5 mb-2 flex flex-col gap-0.5">
                <li>
                  <Button
                    look="quiet"
                    size="small"
                    icon={<SquarePen className="size-3.5" />}
                    onClick={() => open(project.id, NEW_CONVERSATION)}
                    className="w-full justify-start pl-3"
                  >
                    New conversation
                  </Button>
                </li>
                {shown.conversations.map((conversation) => (
                  <ConversationItem
                    key={conversation.id}
                    conversation={conversation}
                    isOpen={conversation.id === conversationId}
                    onOpen={() => open(project.id, conversation.id)}
                  />
                ))}
              </ul>
            )}
          </ProjectItem>
        ))}
        {status === 'ready' && shown.projects.length === 0 && (
          <p className="px-2 py-4 text-sm text-muted">Nothing has that name.</p>
        )}
      </div>
      {isMaking && (
        <NewProjectDialog
          onClose={() => setMaking(false)}
          onMade={(project) => {
            setMaking(false)
            open(project.id, NEW_CONVERSATION)
          }}
        />
      )}
    </nav>
  )
}

/** Newest first; the open project stays in sight while its conversations are searched. */
function filtered(
  projects: readonly Project[],
  conversations: readonly Conversation[],
  projectId: string,
  search: string,
) {
  const wanted = search.trim().toLowerCase()
  const fits = (text: string): boolean => text.toLowerCase().includes(wanted)
  const fitting = conversations.toReversed().filter(({ title }) => wanted === '' || fits(title))
  const hasHits = wanted !== '' && fitting.length > 0
  return {
    projects: projects.toReversed().filter(({ id, name }) => fits(name) || (hasHits && id === projectId)),
    conversations: hasHits || wanted === '' ? fitting : conversations.toReversed(),
  }
}

interface ProjectItemProps {
  readonly project: Project
  readonly isOpen: boolean
  readonly onOpen: () => void
  readonly children: ReactNode
}

function ProjectItem({ project, isOpen, onOpen, children }: ProjectItemProps) {
  const [dialog, setDialog] = useState<'rename' | 'delete' | null>(null)
  const isActiveHere = useView(
    (state) => isOpen && state.conversations.some(({ id }) => activeTaskIdOf(state, id) !== null),
  )
  const isActive = isOpen ? isActiveHere : project.activeTaskId !== null
  return (
    <div className="mt-0.5">
      <div className={classNames('group flex items-center rounded-md', isOpen ? '' : 'hover:bg-hover')}>
        <button
          type="button"
          onClick={onOpen}
          aria-current={isOpen ? 'page' : undefined}
          className={classNames(
            'flex min-w-0 flex-1 items-center gap-2 rounded-md px-2 py-1.5 text-left text-sm',
            isOpen && 'font-semibold',
          )}
        >
          <FolderGit2 aria-hidden="true" className="size-4 shrink-0 text-faint" />
          <span className="truncate">{revealReordering(project.name)}</span>
          {isActive && <StatusDot tone="accent" label="A task runs" isLive />}
        </button>
        <Menu
          trigger={
            <IconButton
              label={`More about ${project.name}`}
              hasTooltip={false}
              size="small"
              className="mr-1 opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 data-[state=open]:opacity-100 max-md:opacity-100"
              icon={<Ellipsis className="size-4" />}
            />
          }
          entries={[
            { label: 'Rename', icon: <Pencil className="size-4" />, onSelect: () => setDialog('rename') },
            {
              label: 'Delete',
              icon: <Trash2 className="size-4" />,
              isDangerous: true,
              onSelect: () => setDialog('delete'),
            },
          ]}
        />
      </div>
      {children}
      {dialog === 'rename' && (
        <RenameDialog
          name={project.name}
          onClose={() => setDialog(null)}
          onRename={async (name) => {
            await api.renameProject(project.id, name)
            await refreshProjects()
          }}
        />
      )}
      <ConfirmDialog
        isOpen={dialog === 'delete'}
        onClose={() => setDialog(null)}
        title={`Delete ${project.name}?`}
        confirmLabel="Delete the project"
        isDangerous
        onConfirm={async () => {
          await api.deleteProject(project.id)
          await refreshProjects()
          showToast('The project is deleted.')
          if (isOpen) goTo({ projectId: null, conversationId: null, target: null }, { replace: true })
        }}
      >
        Its conversations, files and sandbox are removed, and a task that runs is stopped. This cannot be undone.
      </ConfirmDialog>
    </div>
  )
}

function ConversationItem({
  conversation,
  isOpen,
  onOpen,
}: {
  conversation: Conversation
  isOpen: boolean
  onOpen: () => void
}) {
  const dot = useView((state) => {
    const taskId = activeTaskIdOf(state, conversation.id)
    if (taskId === null) return null
    const status = taskOf(state, taskId)?.status
    return status === 'needs_budget' || status === 'needs_answer' ? 'needs' : 'runs'
  })
  return (
    <li>
      <button
        type="button"
        onClick={onOpen}
        aria-current={isOpen ? 'page' : undefined}
        className={classNames(
          'flex w-full min-w-0 items-center gap-2 rounded-md py-1.5 pr-2 pl-3 text-left text-sm',
          isOpen ? 'bg-accent-soft text-ink' : 'text-muted hover:bg-hover hover:text-ink',
        )}
      >
        <MessageSquare aria-hidden="true" className="size-3.5 shrink-0 text-faint" />
        <span className="min-w-0 flex-1 truncate">{revealReordering(conversation.title)}</span>
        {dot === 'runs' && <StatusDot tone="accent" label="Works" isLive />}
        {dot === 'needs' && <StatusDot tone="warn" label="Waits for you" />}
        {dot === null && <span className="shrink-0 text-xs text-faint">{formatAgo(conversation.updatedAt)}</span>}
      </button>
    </li>
  )
}
