import { Tabs as Radix } from 'radix-ui'
import type { ReactNode } from 'react'
import { classNames } from './class-names.ts'

export interface TabItem<Id extends string> {
  readonly id: Id
  readonly label: string
  readonly icon?: ReactNode
  /** A small count behind the label. */
  readonly count?: number
}

/** A row of tabs with arrow keys; the caller renders the chosen panel as `children`. */
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
      className={classNames('flex min-h-0 flex-1 flex-col', className)}
    >
      <Radix.List
        aria-label={label}
        className="flex shrink-0 items-stretch gap-0.5 overflow-x-auto border-b border-line px-2 [scrollbar-width:none]"
      >
        {items.map((item) => (
          <Radix.Trigger
            key={item.id}
            value={item.id}
            className="relative flex h-10 shrink-0 items-center gap-1.5 px-2 text-sm text-muted transition-colors hover:text-ink focus-visible:-outline-offset-2 data-[state=active]:text-ink data-[state=active]:after:absolute data-[state=active]:after:inset-x-1 data-[state=active]:after:bottom-0 data-[state=active]:after:h-0.5 data-[state=active]:after:rounded-full data-[state=active]:after:bg-accent"
          >
            {item.icon}
            {item.label}
            {item.count !== undefined && item.count > 0 && (
              <span className="rounded bg-hover px-1 text-xs tabular-nums text-muted">{item.count}</span>
            )}
          </Radix.Trigger>
        ))}
      </Radix.List>
      <Radix.Content value={value} className="flex min-h-0 flex-1 flex-col outline-none">
        {children}
      </Radix.Content>
    </Radix.Root>
  )
}
