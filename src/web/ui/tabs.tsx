import { Tabs as Radix } from 'radix-ui'
import type { ReactNode } from 'react'
import { classNames } from './class-names.ts'

/** A tab as the row shows it. */
export interface TabItem<Id extends string> {
  readonly id: Id
  readonly label: string
  /** Its tooltip. */
  readonly title: string
  readonly icon: ReactNode
  /** Shows its label wherever there is room for a few; the others are icons then, with their name as a tooltip. */
  readonly isMain: boolean
  /** A small count behind the label. */
  readonly count?: number
}

/**
 * A row of tabs with arrow keys; the caller renders the chosen panel as `children`. The row never scrolls: in a narrow one
 * the chosen tab alone has its label, in a wider one the main tabs, in a wide one all.
 */
export function Tabs<Id extends string>({
  label,
  items,
  value,
  onChange,
  children,
  className,
}: {
  label: string
  items: readonly TabItem<Id>[]
  value: Id
  onChange: (id: Id) => void
  children: ReactNode
  className?: string
}) {
  return (
    <Radix.Root
      value={value}
      onValueChange={(id) => onChange(id as Id)}
      className={classNames('@container flex min-h-0 flex-1 flex-col', className)}
    >
      <Radix.List aria-label={label} className="flex shrink-0 items-stretch border-b border-line px-1 @md:px-2">
        {items.map((item) => (
          <Tab key={item.id} item={item} isChosen={item.id === value} />
        ))}
      </Radix.List>
      <Radix.Content value={value} className="flex min-h-0 flex-1 flex-col outline-none">
        {children}
      </Radix.Content>
    </Radix.Root>
  )
}

function Tab<Id extends string>({ item, isChosen }: { item: TabItem<Id>; isChosen: boolean }) {
  const { id, label, title, icon, isMain, count = 0 } = item
  return (
    <Radix.Trigger
      value={id}
      title={title}
      className="relative flex h-10 min-w-0 shrink items-center justify-center gap-1 px-1.5 text-sm @md:gap-1.5 @md:px-2 text-muted transition-colors hover:text-ink focus-visible:-outline-offset-2 data-[state=active]:shrink-0 data-[state=active]:text-ink data-[state=active]:after:absolute data-[state=active]:after:inset-x-1 data-[state=active]:after:bottom-0 data-[state=active]:after:h-0.5 data-[state=active]:after:rounded-full data-[state=active]:after:bg-accent [&_svg]:size-4 [&_svg]:shrink-0"
    >
      {!isChosen && <span className={classNames('@4xl:hidden', isMain && '@md:hidden')}>{icon}</span>}
      <span
        className={classNames(
          'whitespace-nowrap',
          !isChosen && (isMain ? 'sr-only @md:not-sr-only' : 'sr-only @4xl:not-sr-only'),
        )}
      >
        {label}
      </span>
      {count > 0 && <span className="rounded bg-hover px-1 text-xs tabular-nums text-muted">{count}</span>}
    </Radix.Trigger>
  )
}
