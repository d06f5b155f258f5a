import { type FormEvent, useEffect, useState } from 'react'
import { faultOf } from '../api/fault.ts'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'

const MAX_CHARACTERS = 200

interface RenameDialogProps {
  readonly isOpen: boolean
  readonly name: string
  readonly onClose: () => void
  readonly onRename: (name: string) => Promise<void>
}

export function RenameDialog({ isOpen, name, onClose, onRename }: RenameDialogProps) {
  const [text, setText] = useState(name)
  const [error, setError] = useState<string>()
  const [isBusy, setBusy] = useState(false)
  useEffect(() => {
    if (isOpen) setText(name)
    setError(undefined)
  }, [isOpen, name])
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    setBusy(true)
    try {
      await onRename(text.trim())
      onClose()
    } catch (failure) {
      setError(faultOf(failure).message)
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog isOpen={isOpen} onClose={onClose} title="Rename the project">
      <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
        <TextField
          label="Name"
          value={text}
          maxLength={MAX_CHARACTERS}
          error={error}
          onChange={(event) => setText(event.target.value)}
        />
        <footer className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" isBusy={isBusy} disabled={text.trim() === ''}>
            Rename
          </Button>
        </footer>
      </form>
    </Dialog>
  )
}
