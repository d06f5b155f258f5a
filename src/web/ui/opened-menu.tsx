import { DropdownMenu as Radix } from 'radix-ui'
import type { ReactNode } from 'react'
import { classNames } from './class-names.ts'

/** One act of a menu. */
export interface MenuEntry {
  readonly label: string
  readonly icon?: ReactNode
  readonly onSelect: () => void
  readonly isDangerous?: boolean
  /** When given, the entry is one of a group of which one is chosen; true for that one. */
  readonly isChosen?: boolean
}

/** A menu and the button that opens it. */
export interface MenuProps {
  readonly trigger: ReactNode
  /** `line`: a line between two groups. */
  readonly entries: readonly (MenuEntry | 'line')[]
}

/** The menu of `Menu` from its first opening on; it begins open. */
export default function OpenedMenu({ trigger, entries }: MenuProps) {
  return (
    <Radix.Root modal={false} defaultOpen>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align="end"
          sideOffset={4}
          collisionPadding={8}
          className="z-50 max-h-[60vh] min-w-44 overflow-y-auto rounded-lg border border-line bg-raised p-1 text-sm shadow-pop animate-appear"
        >
          {entries.map((entry, at) =>
            entry === 'line' ? (
              <Radix.Separator key={`line ${at}`} className="my-1 h-px bg-line" />
            ) : (
              <Item key={entry.label} entry={entry} />
            ),
          )}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}

function Item({ entry: { label, icon, onSelect, isDangerous = false, isChosen } }: { entry: MenuEntry }) {
  return (
    <Radix.Item
      onSelect={onSelect}
      {...(isChosen === undefined ? {} : { role: 'menuitemradio', 'aria-checked': isChosen })}
      className={classNames(
        'flex cursor-pointer items-center gap-2 rounded-md px-2 py-1.5 outline-none data-[highlighted]:bg-hover',
        isDangerous && 'text-bad',
        isChosen === true && 'font-medium text-accent',
      )}
    >
      {icon}
      {label}
    </Radix.Item>
  )
}
