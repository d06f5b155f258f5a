import { type FormEvent, useState } from 'react'
import { api } from '../../api/client.ts'
import { faultOf, STALE_SAVE } from '../../api/fault.ts'
import type { ProjectEnvironment } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { CheckboxField, TextAreaField } from '../../ui/field.tsx'
import { Select } from '../../ui/select.tsx'
import { showToast } from '../../ui/toast.tsx'
import { ApprovalFields } from './approval-fields.tsx'
import { type EnvironmentDraft, environmentDraftOf, readDraft } from './environment-draft.ts'
import { faultTexts } from './fault-text.ts'

const POLICIES = [
  { value: 'none', label: 'nothing' },
  { value: 'registries', label: 'package registries, to read' },
  { value: 'hosts', label: 'registries and the hosts below' },
  { value: 'open', label: 'every public host' },
] as const
const MAX_FAILURES = 5

/** Changes what the project's commands run in. The network holds at once, the rest from the next command on. */
export function EnvironmentEditor({
  projectId,
  environment,
  onSaved,
}: {
  projectId: string
  environment: ProjectEnvironment
  onSaved: () => void
}) {
  const [draft, setDraft] = useState<EnvironmentDraft>(() => environmentDraftOf(environment))
  const [isSaving, setSaving] = useState(false)
  const [failures, setFailures] = useState<readonly string[]>([])
  const isChanged = JSON.stringify(draft) !== JSON.stringify(environmentDraftOf(environment))
  const change = (part: Partial<EnvironmentDraft>): void => setDraft({ ...draft, ...part })
  const save = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    setSaving(true)
    setFailures([])
    const body = readDraft(draft, environment)
    try {
      const saved = await api.saveEnvironment(projectId, environment.version, body)
      showToast(`Saved as version ${saved.version}.`)
      onSaved()
    } catch (error) {
      const fault = faultOf(error)
      const named = faultTexts(fault.details, body)
      if (fault.code === 'version_conflict') setFailures([STALE_SAVE])
      else setFailures(named.length === 0 ? [fault.message] : named)
    } finally {
      setSaving(false)
    }
  }
  return (
    <form className="flex flex-col gap-4 p-3" onSubmit={(event) => void save(event)}>
      <div className="flex flex-wrap items-end gap-4">
        <Select
          label="Commands reach"
          size="small"
          value={draft.policy}
          options={POLICIES}
          onChange={(policy) => change({ policy })}
        />
        <CheckboxField
          label="Set the project up before its first turn"
          checked={draft.setupEnabled}
          onChange={(event) => change({ setupEnabled: event.target.checked })}
        />
      </div>
      <TextAreaField
        label="Hosts"
        hint="One a line, such as api.example.com or *.example.com. They count with “registries and the hosts below”."
        value={draft.hosts}
        onChange={(event) => change({ hosts: event.target.value })}
      />
      <TextAreaField
        label="Set-up commands"
        hint="One a line, as name: command. A line with the name of a detected command takes its place."
        className="font-mono"
        value={draft.commands}
        onChange={(event) => change({ commands: event.target.value })}
      />
      <TextAreaField
        label="Variables"
        hint="One a line, as NAME=value. Every command sees them: no place for secrets."
        className="font-mono"
        value={draft.variables}
        onChange={(event) => change({ variables: event.target.value })}
      />
      <ApprovalFields
        draft={draft.approvals}
        onChange={(part) => change({ approvals: { ...draft.approvals, ...part } })}
      />
      {failures.length > 0 && (
        <ul role="alert" className="flex flex-col gap-1 rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">
          {failures.slice(0, MAX_FAILURES).map((failure) => (
            <li key={failure} className="break-words">
              {failure}
            </li>
          ))}
          {failures.length > MAX_FAILURES && <li>{`and ${failures.length - MAX_FAILURES} more`}</li>}
        </ul>
      )}
      <div>
        <Button look="primary" size="small" type="submit" isBusy={isSaving} disabled={!isChanged}>
          Save
        </Button>
      </div>
    </form>
  )
}
