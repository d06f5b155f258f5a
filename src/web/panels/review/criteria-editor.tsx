import { Plus, Trash2 } from 'lucide-react'
import { type FormEvent, useState } from 'react'
import { MAX_CHECKS, MAX_CRITERIA } from '../../../shared/review.ts'
import { api } from '../../api/client.ts'
import { faultOf, STALE_SAVE } from '../../api/fault.ts'
import type { ReviewCheck, ReviewCriteria, ReviewCriterion } from '../../api/types.ts'
import { VisibleText } from '../../code/visible-text.tsx'
import { Badge } from '../../ui/badge.tsx'
import { Button } from '../../ui/button.tsx'
import { FaultNote } from '../../ui/fault-note.tsx'
import { CheckboxField, TextAreaField, TextField } from '../../ui/field.tsx'
import { IconButton } from '../../ui/icon-button.tsx'
import { Select } from '../../ui/select.tsx'
import { showToast } from '../../ui/toast.tsx'
import { type CriteriaDraft, criteriaDraftOf, faultsOf, freeId, withItem } from './criteria-draft.ts'

const SEVERITIES = [
  { value: 'blocking', label: 'blocks approval' },
  { value: 'important', label: 'important' },
  { value: 'note', label: 'a note' },
] as const

/** Changes what the project's reviews look for, from its next task on. */
export function CriteriaEditor({
  projectId,
  criteria,
  onSaved,
}: {
  projectId: string
  criteria: ReviewCriteria
  onSaved: () => void
}) {
  const [draft, setDraft] = useState<CriteriaDraft>(() => criteriaDraftOf(criteria))
  const [isSaving, setSaving] = useState(false)
  const [failure, setFailure] = useState<string | null>(null)
  const faults = faultsOf(draft)
  const isChanged = JSON.stringify(draft) !== JSON.stringify(criteriaDraftOf(criteria))
  const change = (part: Partial<CriteriaDraft>): void => setDraft({ ...draft, ...part })

  const save = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    setSaving(true)
    setFailure(null)
    try {
      const saved = await api.saveCriteria(projectId, criteria.version, draft)
      showToast(`Saved as version ${saved.version}. It holds from the next task on.`)
      onSaved()
    } catch (error) {
      const fault = faultOf(error)
      setFailure(fault.code === 'version_conflict' ? STALE_SAVE : fault.message)
    } finally {
      setSaving(false)
    }
  }

  return (
    <form className="flex flex-col gap-4 p-3" onSubmit={(event) => void save(event)}>
      <div className="flex flex-wrap items-end gap-4">
        <CheckboxField
          label="Review what tasks change"
          checked={draft.enabled}
          onChange={(event) => change({ enabled: event.target.checked })}
        />
        <Select
          label="Fix rounds"
          size="small"
          value={String(draft.maxFixRounds)}
          options={[0, 1, 2, 3, 4, 5].map((rounds) => ({ value: String(rounds), label: String(rounds) }))}
          onChange={(rounds) => change({ maxFixRounds: Number(rounds) })}
        />
      </div>
      {criteria.proposal !== undefined && (
        <Proposal
          proposal={criteria.proposal}
          canTake={draft.criteria.length < MAX_CRITERIA}
          onTake={(text) => change({ criteria: [...draft.criteria, newCriterion(draft.criteria, text)] })}
        />
      )}
      <fieldset className="flex flex-col gap-2">
        <legend className="mb-1 text-sm font-semibold">Criteria</legend>
        {draft.criteria.map((criterion, index) => (
          <CriterionRow
            // biome-ignore lint/suspicious/noArrayIndexKey: an id is being typed, so only the place stays
            key={index}
            criterion={criterion}
            idError={faults[`criteria[${index}].id`]}
            textError={faults[`criteria[${index}].text`]}
            onChange={(next) => change({ criteria: withItem(draft.criteria, index, next) })}
          />
        ))}
        <div>
          <Button
            size="small"
            icon={<Plus className="size-3.5" />}
            disabled={draft.criteria.length >= MAX_CRITERIA}
            onClick={() => change({ criteria: [...draft.criteria, newCriterion(draft.criteria, '')] })}
          >
            Add a criterion
          </Button>
        </div>
      </fieldset>
      <fieldset className="flex flex-col gap-2">
        <legend className="mb-1 text-sm font-semibold">Checks</legend>
        <p className="text-xs text-muted">Commands that the harness runs itself; exit code 0 passes.</p>
        {criteria.workspace === 'unavailable' && (
          <p className="text-xs text-warn">The files could not be looked at, so detected checks are missing here.</p>
        )}
        {draft.checks.map((check, index) => (
          <CheckRow
            // biome-ignore lint/suspicious/noArrayIndexKey: a name is being typed, so only the place stays
            key={index}
            check={check}
            nameError={faults[`checks[${index}].name`]}
            commandError={faults[`checks[${index}].command`]}
            onChange={(next) => change({ checks: withItem(draft.checks, index, next) })}
          />
        ))}
        <div>
          <Button
            size="small"
            icon={<Plus className="size-3.5" />}
            disabled={draft.checks.length >= MAX_CHECKS}
            onClick={() =>
              change({ checks: [...draft.checks, { name: '', command: '', enabled: true, source: 'custom' }] })
            }
          >
            Add a check
          </Button>
        </div>
      </fieldset>
      {failure !== null && (
        <FaultNote>
          {failure}{' '}
          <button type="button" className="underline" onClick={onSaved}>
            Load the newest
          </button>
        </FaultNote>
      )}
      <footer className="sticky bottom-0 -mx-3 flex items-center gap-2 border-t border-line bg-surface px-3 py-2">
        <span className="text-xs text-muted">
          {criteria.version === 0 ? 'The built-in criteria' : `Version ${criteria.version}`}
        </span>
        <span className="flex-1" />
        <Button size="small" disabled={!isChanged} onClick={() => setDraft(criteriaDraftOf(criteria))}>
          Discard
        </Button>
        <Button
          size="small"
          look="primary"
          type="submit"
          isBusy={isSaving}
          disabled={!isChanged || Object.keys(faults).length > 0}
        >
          Save
        </Button>
      </footer>
    </form>
  )
}

function newCriterion(criteria: readonly ReviewCriterion[], text: string): ReviewCriterion {
  return { id: freeId(criteria), text, severity: 'important', enabled: true }
}

function CriterionRow({
  criterion,
  idError,
  textError,
  onChange,
}: {
  criterion: ReviewCriterion
  idError: string | undefined
  textError: string | undefined
  onChange: (criterion: ReviewCriterion | null) => void
}) {
  return (
    <div className="flex flex-col gap-1.5 rounded-md border border-line p-2">
      <div className="flex flex-wrap items-start gap-2">
        <div className="w-44">
          <TextField
            label="Id"
            isLabelHidden
            error={idError}
            value={criterion.id}
            className="h-7 font-mono text-xs"
            onChange={(event) => onChange({ ...criterion, id: event.target.value })}
          />
        </div>
        <Select
          label={`Severity of ${criterion.id}`}
          isLabelHidden
          size="small"
          value={criterion.severity}
          options={SEVERITIES}
          onChange={(severity) => onChange({ ...criterion, severity })}
        />
        <CheckboxField
          label="on"
          className="pt-1"
          checked={criterion.enabled}
          onChange={(event) => onChange({ ...criterion, enabled: event.target.checked })}
        />
        <span className="flex-1" />
        {criterion.precision !== undefined && (
          <Badge tone={criterion.precision >= 0.5 ? 'good' : 'warn'}>
            {`${Math.round(criterion.precision * 100)} % right of ${criterion.judged ?? 0}`}
          </Badge>
        )}
        <IconButton
          size="small"
          label={`Remove ${criterion.id}`}
          icon={<Trash2 className="size-3.5" />}
          onClick={() => onChange(null)}
        />
      </div>
      <TextAreaField
        label={`Text of ${criterion.id}`}
        isLabelHidden
        error={textError}
        value={criterion.text}
        onChange={(event) => onChange({ ...criterion, text: event.target.value })}
      />
    </div>
  )
}

function CheckRow({
  check,
  nameError,
  commandError,
  onChange,
}: {
  check: ReviewCheck
  nameError: string | undefined
  commandError: string | undefined
  onChange: (check: ReviewCheck | null) => void
}) {
  const isDetected = check.source === 'detected'
  return (
    <div className="flex flex-wrap items-start gap-2">
      <div className="w-32">
        <TextField
          label="Name"
          isLabelHidden
          error={nameError}
          disabled={isDetected}
          value={check.name}
          className="h-7 text-xs"
          onChange={(event) => onChange({ ...check, name: event.target.value })}
        />
      </div>
      <div className="min-w-40 flex-1">
        <TextField
          label={`Command of ${check.name}`}
          isLabelHidden
          error={commandError}
          value={check.command}
          className="h-7 font-mono text-xs"
          onChange={(event) => onChange({ ...check, command: event.target.value, source: 'custom' })}
        />
      </div>
      <CheckboxField
        label="on"
        className="pt-1"
        checked={check.enabled}
        onChange={(event) => onChange({ ...check, enabled: event.target.checked })}
      />
      {isDetected ? (
        <Badge className="mt-1">detected</Badge>
      ) : (
        <IconButton
          size="small"
          label={`Remove ${check.name || 'this check'}`}
          icon={<Trash2 className="size-3.5" />}
          onClick={() => onChange(null)}
        />
      )}
    </div>
  )
}

/** The project's own wishes: the agent can write that file, so they count only when a person takes them over. */
function Proposal({
  proposal,
  canTake,
  onTake,
}: {
  proposal: { readonly path: string; readonly text: string }
  canTake: boolean
  onTake: (text: string) => void
}) {
  return (
    <details className="rounded-md border border-line bg-sunken p-2 text-sm">
      <summary>{`${proposal.path} proposes criteria; it holds nothing until you take it over`}</summary>
      <pre className="mt-2 max-h-48 overflow-y-auto font-mono text-xs break-words whitespace-pre-wrap">
        <VisibleText text={proposal.text} />
      </pre>
      <Button
        size="small"
        className="mt-2"
        disabled={!canTake}
        onClick={() => onTake(proposal.text.slice(0, 2_000).trim())}
      >
        Take it over as a criterion
      </Button>
    </details>
  )
}
