import { X } from 'lucide-react'
import { VisibleText } from '../../code/visible-text.tsx'
import { Badge } from '../../ui/badge.tsx'
import { CheckboxField, TextAreaField, TextField } from '../../ui/field.tsx'
import { formatAgo } from '../../ui/format.ts'
import { IconButton } from '../../ui/icon-button.tsx'
import type { ApprovalDraft } from './approval-draft.ts'

/** Which commands, files and hosts wait for a person's word, and what is decided for good. */
export function ApprovalFields({
  draft,
  onChange,
}: {
  draft: ApprovalDraft
  onChange: (part: Partial<ApprovalDraft>) => void
}) {
  return (
    <fieldset className="flex flex-col gap-4 border-t border-line pt-3">
      <legend className="sr-only">Approvals</legend>
      <div>
        <h2 className="text-sm font-semibold">Waits for a person</h2>
        <p className="text-xs text-muted">
          The task asks before it does one of these, and goes on with whatever was decided. Nothing here: nothing waits.
        </p>
      </div>
      <TextAreaField
        label="Commands that wait for a person"
        hint="One a line, such as npm publish or terraform * prod; * stands for anything between."
        className="font-mono"
        value={draft.commands}
        onChange={(event) => onChange({ commands: event.target.value })}
      />
      <TextAreaField
        label="Paths that wait for a person"
        hint="One a line, as in a .gitignore: .github/, *.lock, /prisma/migrations/**."
        className="font-mono"
        value={draft.paths}
        onChange={(event) => onChange({ paths: event.target.value })}
      />
      <TextAreaField
        label="Hosts that wait for a person"
        hint="One a line, such as api.example.com or *.example.com: asked for when a command was refused them."
        className="font-mono"
        value={draft.hosts}
        onChange={(event) => onChange({ hosts: event.target.value })}
      />
      <CheckboxField
        label="Publishing waits for a person"
        hint="Commits, branches and pull requests that leave this project."
        checked={draft.publishing}
        onChange={(event) => onChange({ publishing: event.target.checked })}
      />
      <TextField
        label="Hours to wait for a decision"
        hint="After them the answer is no. 168 is a week."
        inputMode="decimal"
        className="max-w-28"
        value={draft.expiresInHours}
        onChange={(event) => onChange({ expiresInHours: event.target.value })}
      />
      {draft.remembered.length > 0 && (
        <section aria-label="Remembered decisions">
          <h3 className="mb-1 text-xs font-semibold">Decided for this project</h3>
          <ul className="flex flex-col divide-y divide-line rounded-md border border-line">
            {draft.remembered.map((entry, index) => (
              <li
                key={`${entry.kind}:${entry.subject}:${entry.at}`}
                className="flex items-center gap-2 px-2 py-1 text-xs"
              >
                <Badge tone={entry.decision === 'approve' ? 'good' : 'bad'}>
                  {entry.decision === 'approve' ? 'approved' : 'denied'}
                </Badge>
                <span className="min-w-0 flex-1 truncate font-mono" title={entry.subject}>
                  <VisibleText text={entry.subject} />
                </span>
                <span className="shrink-0 text-faint">{formatAgo(entry.at)}</span>
                <IconButton
                  size="small"
                  label={`Forget the decision on ${entry.subject}`}
                  hasTooltip={false}
                  icon={<X className="size-3.5" />}
                  onClick={() => onChange({ remembered: draft.remembered.filter((_, at) => at !== index) })}
                />
              </li>
            ))}
          </ul>
        </section>
      )}
    </fieldset>
  )
}
