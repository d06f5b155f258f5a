import { type FormEvent, useState } from 'react'
import { api } from '../../api/client.ts'
import { faultOf } from '../../api/fault.ts'
import type { ProjectEnvironment } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { CheckboxField, TextAreaField } from '../../ui/field.tsx'
import { Select } from '../../ui/select.tsx'
import { showToast } from '../../ui/toast.tsx'
import { draftOf, type EnvironmentDraft, readDraft } from './environment-draft.ts'

const POLICIES = [
  { value: 'none', label: 'nothing' },
  { value: 'registries', label: 'package registries, to read' },
  { value: 'hosts', label: 'registries and the hosts below' },
  { value: 'open', label: 'every public host' },
] as const

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
  const [draft, setDraft] = useState<EnvironmentDraft>(() => draftOf(environment))
  const [isSaving, setSaving] = useState(false)
  const [failure, setFailure] = useState<string | null>(null)
  const isChanged = JSON.stringify(draft) !== JSON.stringify(draftOf(environment))
  const change = (part: Partial<EnvironmentDraft>): void => setDraft({ ...draft, ...part })
  const save = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    setSaving(true)
    setFailure(null)
    try {
      const saved = await api.saveEnvironment(projectId, environment.version, readDraft(draft, environment))
      showToast(`Saved as version ${saved.version}.`)
      onSaved()
    } catch (error) {
      const fault = faultOf(error)
      const isStale = fault.code === 'version_conflict'
      setFailure(
        isStale ? 'Somebody saved a newer version meanwhile. Load it, then make your change again.' : fault.message,
      )
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
      {failure !== null && (
        <p role="alert" className="text-sm text-bad">
          {failure}
        </p>
      )}
      <div>
        <Button look="primary" size="small" type="submit" isBusy={isSaving} disabled={!isChanged}>
          Save
        </Button>
      </div>
    </form>
  )
}
