import { Slot } from 'radix-ui'
import { type ComponentType, type KeyboardEvent, useState } from 'react'
import type { MenuProps } from './opened-menu.tsx'
import { showFault } from './toast.tsx'

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
