import { X } from 'lucide-react'
import { Dialog as Radix } from 'radix-ui'
import { type ReactNode, useRef } from 'react'
import { classNames } from './class-names.ts'
import { IconButton } from './icon-button.tsx'

const WIDTHS = { narrow: 'max-w-md', wide: 'max-w-2xl', whole: 'max-w-6xl' } as const

/** A modal dialog: focus is held inside and goes back to where it was. Escape and a click beside it close it. */
export function Dialog({
  isOpen,
  onClose,
  title,
  description,
  children,
  width = 'narrow',
}: {
  isOpen: boolean
  onClose: () => void
  title: string
  description?: string
  children: ReactNode
  width?: keyof typeof WIDTHS
}) {
  const opener = useRef<HTMLElement | null>(null)
  return (
    <Radix.Root open={isOpen} onOpenChange={(open) => !open && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-black/40" />
        <Radix.Content
          {...(description === undefined ? { 'aria-describedby': undefined } : {})}
          // Many dialogs are opened by a key or from elsewhere, so there is no trigger that could be asked.
          onOpenAutoFocus={() => {
            opener.current = document.activeElement instanceof HTMLElement ? document.activeElement : null
          }}
          onCloseAutoFocus={(event) => {
            event.preventDefault()
            opener.current?.focus()
          }}
          className={classNames(
            'fixed top-[12vh] left-1/2 z-40 flex max-h-[80vh] w-[calc(100vw-1.5rem)] -translate-x-1/2 flex-col overflow-hidden rounded-xl border border-line bg-raised shadow-pop animate-appear',
            WIDTHS[width],
          )}
        >
          {/* No header element: by the body it would be a second banner of the page. */}
          <div className="pt-4 pr-14 pl-5">
            <Radix.Title className="text-lg font-semibold">{title}</Radix.Title>
            {description !== undefined && (
              <Radix.Description className="mt-0.5 text-sm text-muted">{description}</Radix.Description>
            )}
          </div>
          <div className="min-h-0 overflow-y-auto px-5 pt-3 pb-5">{children}</div>
          {/* Last, so that the focus begins with what the dialog is for. */}
          <IconButton
            label="Close"
            hasTooltip={false}
            icon={<X className="size-4" />}
            onClick={onClose}
            className="absolute top-3 right-3"
          />
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}
