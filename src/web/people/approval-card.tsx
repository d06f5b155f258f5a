import { CircleHelp, ShieldQuestion } from 'lucide-react'
import { type FormEvent, type ReactNode, useEffect, useId, useState } from 'react'
import { api } from '../api/client.ts'
import type { Approval, DecisionBody } from '../api/types.ts'
import { VisibleText } from '../code/visible-text.tsx'
import { InlineCode } from '../text/inline-code.tsx'
import { Button } from '../ui/button.tsx'
import { formatDuration } from '../ui/format.ts'
import { showFault } from '../ui/toast.tsx'

const TICK_MS = 1_000

/**
 * Something that waits for a person: what is asked, its buttons (the digit keys press them while the card has the focus),
 * what holds when nobody answers, and for how long. `onDecided` is called once the server has taken the decision.
 */
export function ApprovalCard({ approval, onDecided }: { approval: Approval; onDecided?: (() => void) | undefined }) {
  const [busy, setBusy] = useState<string | null>(null)
  const titleId = useId()
  const decide = async (label: string, body: DecisionBody): Promise<void> => {
    setBusy(label)
    try {
      await api.decide(approval.id, body)
      onDecided?.()
    } catch (error) {
      showFault(error)
      onDecided?.()
    } finally {
      setBusy(null)
    }
  }
  const isQuestion = approval.kind === 'question'
  const choices = isQuestion
    ? questionChoices(approval)
    : approval.kind === 'publish'
      ? PUBLISH_CHOICES
      : POLICY_CHOICES
  return (
    <section
      aria-labelledby={titleId}
      onKeyDown={(event) => {
        const isTyping = event.target instanceof HTMLInputElement
        const choice =
          isTyping || event.ctrlKey || event.altKey || event.metaKey ? undefined : choices[Number(event.key) - 1]
        if (choice === undefined || busy !== null) return
        event.preventDefault()
        void decide(choice.label, choice.body)
      }}
      className="mt-2 rounded-xl border border-line bg-warn-soft px-3 py-2.5"
    >
      <div className="flex items-start gap-2">
        {isQuestion ? (
          <CircleHelp aria-hidden="true" className="mt-0.5 size-4 shrink-0 text-warn" />
        ) : (
          <ShieldQuestion aria-hidden="true" className="mt-0.5 size-4 shrink-0 text-warn" />
        )}
        <p id={titleId} className="min-w-0 flex-1 text-sm font-semibold break-words whitespace-pre-wrap">
          <InlineCode text={approval.question ?? approval.title} />
        </p>
      </div>
      <What approval={approval} />
      <div className="mt-2 flex flex-wrap gap-2">
        {choices.map(({ label, body, isMain }, index) => (
          <Button
            key={label}
            size="small"
            look={isMain ? 'primary' : 'normal'}
            isBusy={busy === label}
            disabled={busy !== null}
            aria-keyshortcuts={String(index + 1)}
            onClick={() => void decide(label, body)}
            className="h-auto min-h-7 max-w-full whitespace-normal text-left"
          >
            <VisibleText text={label} />
          </Button>
        ))}
      </div>
      {isQuestion && (approval.options === undefined || approval.allowsText === true) && (
        <FreeText
          isBusy={busy === FREE_TEXT}
          onAnswer={(answer) => void decide(FREE_TEXT, { decision: 'answer', answer })}
        />
      )}
      <p className="mt-2 text-xs text-muted">
        <Remaining expiresAt={approval.expiresAt} />
        {afterwards(approval)}
      </p>
    </section>
  )
}

const FREE_TEXT = 'free text'

interface Choice {
  readonly label: string
  readonly body: DecisionBody
  readonly isMain: boolean
}

const POLICY_CHOICES: readonly Choice[] = [
  { label: 'Approve once', body: { decision: 'approve' }, isMain: true },
  { label: 'Approve for this task', body: { decision: 'approve', scope: 'task' }, isMain: false },
  { label: 'Approve always', body: { decision: 'approve', scope: 'project' }, isMain: false },
  { label: 'Deny', body: { decision: 'deny' }, isMain: false },
]

const PUBLISH_CHOICES: readonly Choice[] = [
  { label: 'Publish', body: { decision: 'approve' }, isMain: true },
  { label: 'Do not publish', body: { decision: 'deny' }, isMain: false },
]

function questionChoices({ options = [], default: byDefault }: Approval): Choice[] {
  return [
    ...options.map((answer) => ({
      label: answer,
      body: { decision: 'answer', answer } as const,
      isMain: answer === byDefault,
    })),
    { label: 'Leave it to the agent', body: { decision: 'deny' }, isMain: false },
  ]
}

function What({ approval: { command, paths, host, pattern } }: { approval: Approval }) {
  const shown = command ?? paths?.join('\n') ?? host
  if (shown === undefined) return null
  return (
    <>
      <pre
        tabIndex={0}
        className="mt-2 max-h-40 overflow-auto rounded-md border border-line bg-surface px-2 py-1.5 font-mono text-xs whitespace-pre-wrap break-words"
      >
        <VisibleText text={shown} />
      </pre>
      {pattern !== undefined && (
        <p className="mt-1 text-xs text-muted">
          Held back by <code className="font-mono">{pattern}</code>
        </p>
      )}
    </>
  )
}

function FreeText({ isBusy, onAnswer }: { isBusy: boolean; onAnswer: (answer: string) => void }): ReactNode {
  const [text, setText] = useState('')
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    if (text.trim() !== '') onAnswer(text.trim())
  }
  return (
    <form onSubmit={submit} className="mt-2 flex gap-2">
      <input
        aria-label="Your answer"
        value={text}
        maxLength={1_000}
        onChange={(event) => setText(event.target.value)}
        className="h-8 min-w-0 flex-1 rounded-md border border-line-strong bg-surface px-2 text-sm"
      />
      <Button type="submit" look="primary" isBusy={isBusy} disabled={text.trim() === ''}>
        Answer
      </Button>
    </form>
  )
}

function afterwards(approval: Approval): string {
  if (approval.kind === 'publish') return ' Then nothing is published.'
  if (approval.kind !== 'question') return ' Then it is denied.'
  return approval.default === undefined ? ' Then the agent decides itself.' : ` Then this holds: ${approval.default}`
}

function Remaining({ expiresAt }: { expiresAt: string }) {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), TICK_MS)
    return () => clearInterval(timer)
  }, [])
  const leftMs = Math.max(0, Date.parse(expiresAt) - now)
  return <span className="tabular-nums">{leftMs === 0 ? 'Its time is over.' : `${leftText(leftMs)} left.`}</span>
}

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

function leftText(leftMs: number): string {
  if (leftMs >= 2 * DAY_MS) return `${Math.floor(leftMs / DAY_MS)} days`
  if (leftMs >= 2 * HOUR_MS) return `${Math.floor(leftMs / HOUR_MS)} hours`
  return formatDuration(leftMs)
}
