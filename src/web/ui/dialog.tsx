import { X } from 'lucide-react'
import { Dialog as Radix } from 'radix-ui'
import { type ReactNode, useRef, useState } from 'react'
import { faultOf } from '../api/fault.ts'
import { Button } from './button.tsx'
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
          <header className="pt-4 pr-14 pl-5">
            <Radix.Title className="text-lg font-semibold">{title}</Radix.Title>
            {description !== undefined && (
              <Radix.Description className="mt-0.5 text-sm text-muted">{description}</Radix.Description>
            )}
          </header>
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

/** Asks before something that is hard to take back. `onConfirm` may reject: its message stands in the dialog. */
export function ConfirmDialog({
  isOpen,
  onClose,
  title,
  children,
  confirmLabel,
  isDangerous = false,
  onConfirm,
}: {
  isOpen: boolean
  onClose: () => void
  title: string
  children: ReactNode
  confirmLabel: string
  isDangerous?: boolean
  onConfirm: () => Promise<unknown>
}) {
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const close = (): void => {
    setError(null)
    onClose()
  }
  const confirm = async (): Promise<void> => {
    setBusy(true)
    try {
      await onConfirm()
      close()
    } catch (failure) {
      setError(failure)
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog isOpen={isOpen} onClose={close} title={title}>
      <div className="text-sm text-muted">{children}</div>
      {error !== null && (
        <p role="alert" className="mt-3 rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">
          {faultOf(error).message}
        </p>
      )}
      <footer className="mt-5 flex justify-end gap-2">
        <Button onClick={close}>Cancel</Button>
        <Button look={isDangerous ? 'danger' : 'primary'} isBusy={isBusy} onClick={() => void confirm()}>
          {confirmLabel}
        </Button>
      </footer>
    </Dialog>
  )
}
