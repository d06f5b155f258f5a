import { Tooltip as Radix } from 'radix-ui'
import type { ReactNode } from 'react'

/** Stands once around the page; without it tooltips do not open. */
export const TooltipProvider = Radix.Provider

/** Words about one control, on hover and on focus. The child takes a ref and DOM attributes (a button, a link). */
export function Tooltip({ text, shortcut, children }: { text: string; shortcut?: string; children: ReactNode }) {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>{children}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          sideOffset={6}
          collisionPadding={8}
          className="z-50 max-w-72 rounded-md bg-ink px-2 py-1 text-xs text-canvas shadow-pop animate-appear"
        >
          {text}
          {shortcut !== undefined && <kbd className="ml-2 font-sans opacity-70">{shortcut}</kbd>}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}
