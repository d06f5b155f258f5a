import { FileText } from 'lucide-react'
import { classNames } from '../ui/class-names.ts'

interface MentionListProps {
  readonly id: string
  readonly paths: readonly string[]
  readonly active: number
  readonly onPick: (path: string) => void
}

/** Files to choose from while one types `@`; the text field keeps the focus and names the active one. */
export function MentionList({ id, paths, active, onPick }: MentionListProps) {
  return (
    <ul
      id={id}
      role="listbox"
      aria-label="Files"
      className="absolute inset-x-0 bottom-full z-30 mb-1 max-h-64 overflow-y-auto rounded-lg border border-line bg-raised p-1 shadow-pop"
    >
      {paths.map((path, index) => (
        <li
          key={path}
          id={`${id}-${index}`}
          role="option"
          aria-selected={index === active}
          onMouseDown={(event) => {
            event.preventDefault()
            onPick(path)
          }}
          className={classNames(
            'flex cursor-pointer items-center gap-2 rounded-md px-2 py-1 font-mono text-xs',
            index === active && 'bg-hover',
          )}
        >
          <FileText aria-hidden="true" className="size-3.5 text-faint" />
          <span className="truncate">{path}</span>
        </li>
      ))}
    </ul>
  )
}
