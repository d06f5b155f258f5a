import { ChevronDown, ChevronRight, File, FileSymlink, Folder } from 'lucide-react'
import { type KeyboardEvent, useState } from 'react'
import { api } from '../../api/client.ts'
import { faultOf } from '../../api/fault.ts'
import type { FileEntry } from '../../api/types.ts'
import { useQuery } from '../../api/use-query.ts'
import { VisibleText } from '../../code/visible-text.tsx'
import { classNames } from '../../ui/class-names.ts'
import { AfterDelay } from '../../ui/spinner.tsx'

/** Whose files are listed; another `version` reads open directories again. */
export interface FileTreeProps {
  readonly projectId: string
  /** Asks again for what is open when it changes. */
  readonly version: string
  readonly selected: string | null
  onSelect(path: string): void
}

/**
 * The workspace as a tree; a directory is read when it is opened. Arrow keys walk it as the ARIA authoring practices say
 * (https://www.w3.org/WAI/ARIA/apg/patterns/treeview/).
 */
export function FileTree({ projectId, version, selected, onSelect }: FileTreeProps) {
  const [open, setOpen] = useState<ReadonlySet<string>>(() => new Set(ancestorsOf(selected)))
  const toggle = (path: string): void => {
    const next = new Set(open)
    if (!next.delete(path)) next.add(path)
    setOpen(next)
  }
  return (
    <ul role="tree" aria-label="Files" className="py-1 text-sm" onKeyDown={walk}>
      <Level path="" depth={0} {...{ projectId, version, selected, onSelect, open, toggle }} />
    </ul>
  )
}

function ancestorsOf(path: string | null): string[] {
  const parts = path?.split('/').slice(0, -1) ?? []
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

interface LevelProps extends FileTreeProps {
  readonly path: string
  readonly depth: number
  readonly open: ReadonlySet<string>
  toggle(path: string): void
}

function Level(props: LevelProps) {
  const { projectId, path, depth, version } = props
  const tree = useQuery(
    `files:${projectId}:${path}`,
    (signal) => api.listFiles(projectId, { path: path === '' ? '.' : path, depth: 1 }, signal),
    version,
  )
  const indent = { paddingLeft: `${depth * 0.875 + 0.5}rem` }
  if (tree.value === undefined) {
    return (
      <li role="none" style={indent} className="py-0.5 text-xs text-faint">
        {tree.error === undefined ? <AfterDelay>Loading …</AfterDelay> : faultOf(tree.error).message}
      </li>
    )
  }
  const entries = [...tree.value.entries].sort(directoriesFirst)
  return (
    <>
      {entries.map((entry) => (
        <Entry key={entry.path} entry={entry} {...props} />
      ))}
      {entries.length === 0 && (
        <li role="none" style={indent} className="py-0.5 text-xs text-faint">
          empty
        </li>
      )}
      {tree.value.truncated && (
        <li role="none" style={indent} className="py-0.5 text-xs text-warn">
          {moreThanListed(tree.value.unlisted[0]?.names ?? null)}
        </li>
      )}
    </>
  )
}

/** What a level says below its entries when some are missing. */
function moreThanListed(names: number | null): string {
  if (names === null) return 'There are more than can be listed.'
  return names === 1 ? 'One more is not listed.' : `${names.toLocaleString('en')} more are not listed.`
}

function directoriesFirst(left: FileEntry, right: FileEntry): number {
  const rank = (entry: FileEntry): number => (entry.kind === 'directory' ? 0 : 1)
  return rank(left) - rank(right) || left.name.localeCompare(right.name)
}

function Entry({ entry, depth, open, toggle, selected, onSelect, ...rest }: LevelProps & { entry: FileEntry }) {
  const isDirectory = entry.kind === 'directory'
  const isOpen = isDirectory && open.has(entry.path)
  const isSelected = selected === entry.path
  const act = (): void => (isDirectory ? toggle(entry.path) : onSelect(entry.path))
  return (
    <li role="none">
      <div
        role="treeitem"
        tabIndex={0}
        aria-expanded={isDirectory ? isOpen : undefined}
        aria-selected={isSelected}
        aria-level={depth + 1}
        onClick={act}
        onKeyDown={(event) => {
          const opens = isDirectory && (event.key === 'ArrowRight' ? !isOpen : event.key === 'ArrowLeft' && isOpen)
          if (event.key !== 'Enter' && event.key !== ' ' && !opens) return
          event.preventDefault()
          act()
        }}
        style={{ paddingLeft: `${depth * 0.875 + 0.5}rem` }}
        className={classNames(
          'flex cursor-pointer items-center gap-1.5 py-0.5 pr-2 hover:bg-hover focus-visible:-outline-offset-2',
          isSelected && 'bg-accent-soft text-accent',
        )}
      >
        <EntryIcon kind={entry.kind} isOpen={isOpen} />
        <span className="truncate">
          <VisibleText text={entry.name} />
        </span>
      </div>
      {isOpen && (
        <ul role="group">
          <Level {...{ ...rest, open, toggle, selected, onSelect }} path={entry.path} depth={depth + 1} />
        </ul>
      )}
    </li>
  )
}

function EntryIcon({ kind, isOpen }: { kind: FileEntry['kind']; isOpen: boolean }) {
  const look = 'size-3.5 shrink-0 text-faint'
  if (kind !== 'directory') {
    return (
      <>
        <span className="size-3.5 shrink-0" />
        {kind === 'symlink' ? (
          <FileSymlink aria-hidden="true" className={look} />
        ) : (
          <File aria-hidden="true" className={look} />
        )}
      </>
    )
  }
  return (
    <>
      {isOpen ? (
        <ChevronDown aria-hidden="true" className={look} />
      ) : (
        <ChevronRight aria-hidden="true" className={look} />
      )}
      <Folder aria-hidden="true" className={look} />
    </>
  )
}

/** Up and down go through what is visible, Home and End to its ends. */
function walk(event: KeyboardEvent<HTMLElement>): void {
  const items = [...event.currentTarget.querySelectorAll<HTMLElement>('[role="treeitem"]')]
  const at = items.findIndex((item) => item === document.activeElement)
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key]
  if (next === undefined) return
  event.preventDefault()
  items[Math.min(Math.max(next, 0), items.length - 1)]?.focus()
}
