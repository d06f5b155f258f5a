import { FolderGit2, MessagesSquare, PanelRight } from 'lucide-react'
import { type ReactNode, useCallback, useEffect, useState } from 'react'
import { Group, Panel, Separator, useDefaultLayout } from 'react-resizable-panels'
import type { Instance } from '../api/types.ts'
import { Navigation } from '../navigation/navigation.tsx'
import { useShortcuts } from '../palette/use-shortcuts.ts'
import type { PanelTarget } from '../panels/panel.ts'
import { HOME, NEW_CONVERSATION, type Route } from '../routing/route.ts'
import { goTo } from '../routing/use-route.ts'
import { useCurrentTaskId, useView, useWorkspaceStore, WorkspaceContext } from '../store/use-view.ts'
import { Button } from '../ui/button.tsx'
import { classNames } from '../ui/class-names.ts'
import { lazyPart } from '../ui/lazy-part.tsx'
import { Skeleton } from '../ui/spinner.tsx'
import { ErrorState } from '../ui/states.tsx'
import { Banners } from './banners.tsx'
import { Centre } from './centre.tsx'
import { Header } from './header.tsx'
import { useKeptRegion } from './kept-region.tsx'
import { PanelRegion } from './panel-region.tsx'
import { useStored } from './stored.ts'
import { useAttention } from './use-attention.ts'
import { useMedia } from './use-media.ts'
import { useWorkspace } from './use-workspace.ts'

// Opened by a key: not needed for the first look at the page.
const Palette = lazyPart(() => import('../palette/palette.tsx'))
const CredentialsDialog = lazyPart(() => import('../credentials/credentials-dialog.tsx'))
const ShortcutSheet = lazyPart(() => import('../palette/shortcut-sheet.tsx'))

interface WorkspaceShellProps {
  readonly instance: Instance
  readonly projectId: string
  readonly route: Route
}

/** One project: its store around its regions. */
export function WorkspaceShell({ instance, projectId, route }: WorkspaceShellProps) {
  const store = useWorkspace(projectId)
  if (store === null) return <Skeleton />
  return (
    <WorkspaceContext.Provider value={store}>
      <Project instance={instance} projectId={projectId} route={route} />
    </WorkspaceContext.Provider>
  )
}

function Project(props: WorkspaceShellProps) {
  const store = useWorkspaceStore()
  const status = useView((state) => state.status)
  const error = useView((state) => state.error)
  const conversationId = useConversation(props.route)
  if (status === 'failed') {
    return (
      <div className="flex h-full flex-col justify-center">
        <ErrorState title="This project cannot be opened" error={error} onRetry={() => void store.open()} />
        <Button look="quiet" className="mx-auto" onClick={() => goTo(HOME, { replace: true })}>
          Go to the first project
        </Button>
      </div>
    )
  }
  return <Regions {...props} conversationId={conversationId} />
}

/** The conversation in the address; without one the newest, which then stands there. Null for one that is new. */
function useConversation(route: Route): string | null {
  const newest = useView((state) => {
    if (state.status !== 'ready') return null
    return state.conversations.toSorted((a, b) => a.updatedAt.localeCompare(b.updatedAt)).at(-1)?.id ?? NEW_CONVERSATION
  })
  const isMissing = route.conversationId === null
  useEffect(() => {
    if (isMissing && newest !== null) goTo({ ...route, conversationId: newest }, { replace: true })
  }, [isMissing, newest, route])
  return route.conversationId === NEW_CONVERSATION ? null : route.conversationId
}

type Tab = 'projects' | 'thread' | 'work'

function Regions({
  instance,
  projectId,
  route,
  conversationId,
}: WorkspaceShellProps & { conversationId: string | null }) {
  const { target } = route
  const currentTaskId = useCurrentTaskId(conversationId)
  const taskId = target?.taskId ?? currentTaskId
  const [tab, setTab] = useState<Tab>('thread')
  const [isPaletteOpen, setPaletteOpen] = useState(false)
  const [isHelpOpen, setHelpOpen] = useState(false)
  const [isCredentialsOpen, setCredentialsOpen] = useState(false)
  const isNarrow = useMedia('(max-width: 767px)')
  const navigate = useCallback(
    (next: PanelTarget) => {
      goTo({ projectId, conversationId: route.conversationId, target: next })
      setTab(next.turn === undefined ? 'work' : 'thread')
    },
    [projectId, route.conversationId],
  )
  const title = useView(
    (state) =>
      state.conversations.find(({ id }) => id === conversationId)?.title ?? state.project?.name ?? 'New conversation',
  )
  const openPalette = useCallback(() => setPaletteOpen(true), [])
  const openHelp = useCallback(() => setHelpOpen(true), [])
  const openCredentials = useCallback(() => setCredentialsOpen(true), [])
  useAttention(title, taskId)
  useShortcuts({ projectId, navigate, openPalette, openHelp })

  const navigation = (
    <Navigation projectId={projectId} conversationId={conversationId} onWent={() => setTab('thread')} />
  )
  const centre = (
    <Centre
      instance={instance}
      projectId={projectId}
      conversationId={conversationId}
      target={target}
      navigate={navigate}
    />
  )
  const work = (
    <PanelRegion
      projectId={projectId}
      conversationId={conversationId}
      taskId={taskId}
      panel={target?.panel ?? 'changes'}
      target={target}
      navigate={navigate}
    />
  )
  const [storedNavigation, setStoredNavigation] = useStored('navigation')
  const hasRoom = useMedia('(min-width: 1100px)')
  const isNavigationShown = storedNavigation === null ? hasRoom : storedNavigation === 'shown'
  const shown: readonly Tab[] = isNarrow
    ? [tab]
    : isNavigationShown
      ? ['projects', 'thread', 'work']
      : ['thread', 'work']
  const held = useHeld(shown, tab)
  const regions = {
    projects: useKeptRegion(navigation, held.has('projects')),
    thread: useKeptRegion(centre, held.has('thread')),
    work: useKeptRegion(work, held.has('work')),
  }
  const openings = { onPalette: openPalette, onHelp: openHelp, onCredentials: openCredentials }
  const shared = { instance, conversationId, taskId, title, ...openings }
  return (
    <div className="flex h-full flex-col">
      {isNarrow ? (
        <>
          <Header {...shared} onNavigation={null} />
          <Banners instance={instance} />
          <main className="flex min-h-0 flex-1 flex-col">{regions[tab].slot}</main>
          <TabBar tab={tab} onChange={setTab} />
        </>
      ) : (
        <Wide
          navigation={isNavigationShown ? regions.projects.slot : null}
          centre={regions.thread.slot}
          work={regions.work.slot}
          header={
            <Header {...shared} onNavigation={() => setStoredNavigation(isNavigationShown ? 'hidden' : 'shown')} />
          }
          banners={<Banners instance={instance} />}
        />
      )}
      {regions.projects.content}
      {regions.thread.content}
      {regions.work.content}
      {isPaletteOpen && (
        <Palette
          onClose={() => setPaletteOpen(false)}
          projectId={projectId}
          navigate={navigate}
          onHelp={openHelp}
          onCredentials={openCredentials}
        />
      )}
      {isHelpOpen && <ShortcutSheet onClose={() => setHelpOpen(false)} />}
      {isCredentialsOpen && <CredentialsDialog onClose={() => setCredentialsOpen(false)} />}
    </div>
  )
}

/**
 * The regions that are to be kept: those in sight, and those that a window of another width showed since one last went
 * to another tab. So a dialog stays open when its window is made narrow.
 */
function useHeld(shown: readonly Tab[], tab: Tab): ReadonlySet<Tab> {
  const [held, setHeld] = useState<{ readonly tab: Tab; readonly regions: ReadonlySet<Tab> }>({
    tab,
    regions: new Set(shown),
  })
  if (held.tab === tab && shown.every((region) => held.regions.has(region))) return held.regions
  const regions = new Set([...(held.tab === tab ? held.regions : []), ...shown])
  setHeld({ tab, regions })
  return regions
}

interface WideProps {
  /** Null: hidden. */
  readonly navigation: ReactNode
  readonly centre: ReactNode
  readonly work: ReactNode
  readonly banners: ReactNode
  readonly header: ReactNode
}

/** Three regions whose widths one sets by pointer or keys; they stand where they were left. */
function Wide({ navigation, centre, work, banners, header }: WideProps) {
  const main = (
    <div className="flex min-h-0 min-w-0 flex-1 flex-col">
      {header}
      {banners}
      <Split
        id="work"
        left={<main className="flex min-h-0 min-w-0 flex-1 flex-col">{centre}</main>}
        right={work}
        sizes={{ left: '54%', minLeft: '320px', minRight: '280px' }}
      />
    </div>
  )
  if (navigation === null) return main
  return (
    <Split
      id="navigation"
      left={navigation}
      right={main}
      sizes={{ left: '17%', minLeft: '190px', minRight: '560px' }}
    />
  )
}

interface SplitProps {
  readonly id: string
  readonly left: ReactNode
  readonly right: ReactNode
  readonly sizes: { readonly left: string; readonly minLeft: string; readonly minRight: string }
}

function Split({ id, left, right, sizes }: SplitProps) {
  const { defaultLayout, onLayoutChanged } = useDefaultLayout({ id: `keelson.${id}`, storage: layoutStorage })
  return (
    <Group
      orientation="horizontal"
      className="min-h-0 flex-1"
      {...(defaultLayout === undefined ? {} : { defaultLayout })}
      onLayoutChanged={onLayoutChanged}
    >
      <Panel id={`${id}-left`} defaultSize={sizes.left} minSize={sizes.minLeft} className="flex min-h-0 flex-col">
        {left}
      </Panel>
      <Divider />
      <Panel id={`${id}-right`} minSize={sizes.minRight} className="flex min-h-0 flex-col">
        {right}
      </Panel>
    </Group>
  )
}

/** Storage may be forbidden; the layout is then only not remembered. */
const layoutStorage: Pick<Storage, 'getItem' | 'setItem'> = {
  getItem: (key) => {
    try {
      return localStorage.getItem(key)
    } catch {
      return null
    }
  },
  setItem: (key, value) => {
    try {
      localStorage.setItem(key, value)
    } catch {
      return
    }
  },
}

function Divider() {
  return (
    <Separator className="w-px bg-line transition-colors hover:bg-accent focus-visible:bg-accent data-[separator=active]:bg-accent data-[separator=hover]:bg-accent" />
  )
}

const TABS: readonly { id: Tab; label: string; icon: ReactNode }[] = [
  { id: 'projects', label: 'Projects', icon: <FolderGit2 /> },
  { id: 'thread', label: 'Conversation', icon: <MessagesSquare /> },
  { id: 'work', label: 'Work', icon: <PanelRight /> },
]

/** On a narrow page the regions stand one at a time. */
function TabBar({ tab, onChange }: { tab: Tab; onChange: (tab: Tab) => void }) {
  return (
    <nav aria-label="Regions" className="flex shrink-0 border-t border-line bg-surface">
      {TABS.map(({ id, label, icon }) => (
        <button
          key={id}
          type="button"
          aria-current={tab === id ? 'page' : undefined}
          onClick={() => onChange(id)}
          className={classNames(
            'flex flex-1 flex-col items-center gap-0.5 py-1.5 text-xs focus-visible:-outline-offset-2 [&>svg]:size-4',
            tab === id ? 'font-medium text-accent' : 'text-muted',
          )}
        >
          {icon}
          {label}
        </button>
      ))}
    </nav>
  )
}
