import { Slot } from 'radix-ui'
import { type ComponentType, type KeyboardEvent, type ReactNode, useState } from 'react'
import { showFault } from './toast.tsx'

/** One act of a menu. */
export interface MenuEntry {
  readonly label: string
  readonly icon?: ReactNode
  readonly onSelect: () => void
  readonly isDangerous?: boolean
  /** Given: one of several of which one holds. */
  readonly isChosen?: boolean
}

/** A menu and the button that opens it. */
export interface MenuProps {
  readonly trigger: ReactNode
  /** `line`: a line between two groups. */
  readonly entries: readonly (MenuEntry | 'line')[]
}

/** A menu that opens from `trigger` (a button). Its code is loaded when a menu is opened for the first time. */
export function Menu({ trigger, entries }: MenuProps) {
  const [OpenedMenu, setOpenedMenu] = useState<ComponentType<MenuProps> | null>(null)
  if (OpenedMenu !== null) return <OpenedMenu trigger={trigger} entries={entries} />
  const open = (): void => {
    void import('./opened-menu.tsx').then(({ default: part }) => setOpenedMenu(() => part), showFault)
  }
  const openByKey = (event: KeyboardEvent): void => {
    if (event.key !== 'ArrowDown') return
    event.preventDefault()
    open()
  }
  return (
    <Slot.Root aria-haspopup="menu" aria-expanded={false} onClick={open} onKeyDown={openByKey}>
      {trigger}
    </Slot.Root>
  )
}
