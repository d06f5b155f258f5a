import { type FormEvent, useState } from 'react'
import { faultOf } from '../api/fault.ts'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'

const MAX_CHARACTERS = 200

interface RenameDialogProps {
  readonly name: string
  readonly onClose: () => void
  readonly onRename: (name: string) => Promise<void>
}

/** Asks for a project's new name. Lives as long as it is open. `onRename` may reject: its message stands at the field. */
export default function RenameDialog({ name, onClose, onRename }: RenameDialogProps) {
  const [text, setText] = useState(name)
  const [error, setError] = useState<string>()
  const [isBusy, setBusy] = useState(false)
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
    <Dialog isOpen onClose={onClose} title="Rename the project">
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
