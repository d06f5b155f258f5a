import { type FormEvent, useState } from 'react'
import { COMPARISON_DAYS, MAX_ALTERNATIVES } from '../../shared/comparison.ts'
import { api } from '../api/client.ts'
import { faultOf } from '../api/fault.ts'
import type { ComparisonBody } from '../api/types.ts'
import { newClientMessageId } from '../composer/client-message-id.ts'
import { useSession } from '../shell/session.ts'
import type { TaskView } from '../state.ts'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { FaultNote } from '../ui/fault-note.tsx'
import { CheckboxField, TextAreaField } from '../ui/field.tsx'
import { formatCost } from '../ui/format.ts'
import { Select } from '../ui/select.tsx'
import { type AlternativeDraft, bodyOf, isComplete, resizeDrafts } from './alternatives-draft.ts'

const COUNTS = Array.from({ length: MAX_ALTERNATIVES }, (_, index) => {
  const value = String(index + 1)
  return { value, label: value }
})
const CHOOSERS: readonly { readonly value: ComparisonBody['choose']; readonly label: string; readonly hint: string }[] =
  [
    { value: 'person', label: 'I choose', hint: `They wait for you, side by side, for ${COMPARISON_DAYS} days.` },
    {
      value: 'evidence',
      label: 'The evidence chooses',
      hint: 'Checks that passed first, then the fewest open findings, the smaller diff, the lower cost.',
    },
  ]

interface StartDialogProps {
  readonly task: TaskView
  readonly onClose: () => void
  readonly onStarted: () => void
}

/** Asks how a task's request is to be tried again, and begins it. Lives as long as it is open. */
export default function StartDialog({ task, onClose, onStarted }: StartDialogProps) {
  const canInclude = task.status === 'completed'
  const [drafts, setDrafts] = useState(() => resizeDrafts([], 2))
  const [include, setInclude] = useState(canInclude)
  const [choose, setChoose] = useState<ComparisonBody['choose']>('person')
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<string>()
  // One id while the dialog is open: a second click after a lost answer begins no second comparison.
  const [clientComparisonId] = useState(newClientMessageId)
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    setBusy(true)
    setError(undefined)
    try {
      await api.startComparison(task.id, bodyOf(drafts, { include, choose, clientComparisonId }))
      onStarted()
      onClose()
    } catch (failure) {
      setError(faultOf(failure).message)
      setBusy(false)
    }
  }
  const change = (key: number, changes: Partial<AlternativeDraft>): void =>
    setDrafts(drafts.map((draft) => (draft.key === key ? { ...draft, ...changes } : draft)))
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="wide"
      title="Try again otherwise"
      description="The same request, from the files as they were before this task, each in a copy of its own. Nothing here changes until one is taken."
    >
      <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
        <Select
          label="How many"
          value={String(drafts.length)}
          options={COUNTS}
          onChange={(count) => setDrafts(resizeDrafts(drafts, Number(count)))}
          className="w-24"
        />
        <div className="flex flex-col gap-2">
          {drafts.map((draft, index) => (
            <AlternativeFields
              key={draft.key}
              number={index + 1}
              draft={draft}
              taskModel={task.model}
              onChange={(changes) => change(draft.key, changes)}
            />
          ))}
        </div>
        {canInclude && (
          <CheckboxField
            label="Compare with this task’s own result"
            hint="It can then be kept as the best of them."
            checked={include}
            onChange={(event) => setInclude(event.target.checked)}
          />
        )}
        <fieldset className="flex flex-col gap-2">
          <legend className="mb-1 text-sm font-medium">Who chooses</legend>
          {CHOOSERS.map(({ value, label, hint }) => (
            <label key={value} className="flex items-start gap-2 text-sm">
              <input
                type="radio"
                name="choose"
                checked={choose === value}
                onChange={() => setChoose(value)}
                className="mt-0.5 size-4 accent-accent"
              />
              <span>
                {label}
                <span className="block text-xs text-faint">{hint}</span>
              </span>
            </label>
          ))}
        </fieldset>
        {error !== undefined && <FaultNote>{error}</FaultNote>}
        <footer className="flex flex-wrap items-center justify-end gap-2">
          {task.costUsd !== null && task.costUsd > 0 && (
            <p className="mr-auto text-xs text-faint">
              This task cost {formatCost(task.costUsd)}; each try costs its own.
            </p>
          )}
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" isBusy={isBusy} disabled={!isComplete(drafts)}>
            {drafts.length === 1 ? 'Start it' : `Start all ${drafts.length}`}
          </Button>
        </footer>
      </form>
    </Dialog>
  )
}

function AlternativeFields({
  number,
  draft,
  taskModel,
  onChange,
}: {
  number: number
  draft: AlternativeDraft
  taskModel: string | null
  onChange: (changes: Partial<AlternativeDraft>) => void
}) {
  const session = useSession()
  const models = session.kind === 'in' ? session.instance.models : []
  const own = models.find(({ id }) => id === taskModel)?.name ?? taskModel
  const options = [
    { value: '', label: own === null ? 'As this task' : `As this task (${own})` },
    ...models.filter(({ id }) => id !== taskModel).map(({ id, name }) => ({ value: id, label: name })),
  ]
  return (
    <fieldset className="flex flex-col gap-2 rounded-lg border border-line px-3 pt-1 pb-3">
      <legend className="px-1 text-sm font-medium">Alternative {number}</legend>
      <div className="flex flex-wrap items-end gap-x-4 gap-y-2">
        <Select
          label="Model"
          value={draft.model}
          options={options}
          onChange={(model) => onChange({ model })}
          className="min-w-0 flex-1 basis-48"
        />
        <CheckboxField
          label="Criteria of its own"
          checked={draft.hasCriteria}
          onChange={(event) => onChange({ hasCriteria: event.target.checked })}
          className="h-8 items-center"
        />
      </div>
      {draft.hasCriteria && (
        <TextAreaField
          label="What its review looks for"
          hint="One sentence a line, in the place of the project’s criteria."
          value={draft.criteria}
          onChange={(event) => onChange({ criteria: event.target.value })}
        />
      )}
    </fieldset>
  )
}
