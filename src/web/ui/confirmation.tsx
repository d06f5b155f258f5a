import { type ReactNode, useState } from 'react'
import { faultOf } from '../api/fault.ts'
import { Button } from './button.tsx'
import { Dialog } from './dialog.tsx'
import { FaultNote } from './fault-note.tsx'

/** What a confirmation says and does. */
export interface ConfirmationProps {
  readonly onClose: () => void
  readonly title: string
  readonly children: ReactNode
  /** The act, as the button says it. */
  readonly confirmLabel: string
  readonly isDangerous?: boolean
  /** May reject: its message stands in the dialog, which stays open. */
  readonly onConfirm: () => Promise<unknown>
}

/** The dialog of `ConfirmDialog`. Lives as long as it is open. */
export default function Confirmation({
  onClose,
  title,
  children,
  confirmLabel,
  isDangerous = false,
  onConfirm,
}: ConfirmationProps) {
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const confirm = async (): Promise<void> => {
    setBusy(true)
    try {
      await onConfirm()
      onClose()
    } catch (failure) {
      setError(failure)
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog isOpen onClose={onClose} title={title}>
      <div className="text-sm text-muted">{children}</div>
      {error !== null && <FaultNote className="mt-3">{faultOf(error).message}</FaultNote>}
      <footer className="mt-5 flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look={isDangerous ? 'danger' : 'primary'} isBusy={isBusy} onClick={() => void confirm()}>
          {confirmLabel}
        </Button>
      </footer>
    </Dialog>
  )
}
