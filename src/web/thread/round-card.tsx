import { CircleCheck, CircleDashed, CircleX, MessageSquareWarning, ShieldCheck } from 'lucide-react'
import type { CheckResult, Finding } from '../api/types.ts'
import { CodeBlock } from '../code/code-block.tsx'
import type { PanelTarget } from '../panels/panel.ts'
import type { RoundView } from '../state.ts'
import { InlineCode } from '../text/inline-code.tsx'
import { Markdown } from '../text/markdown.tsx'
import { revealHidden } from '../text/reveal-hidden.ts'
import { classNames } from '../ui/class-names.ts'
import { Expandable } from '../ui/expandable.tsx'
import { formatDuration } from '../ui/format.ts'
import { FindingBadges, VerdictBadge } from '../ui/review-badges.tsx'
import { Spinner } from '../ui/spinner.tsx'
import { ReviewerWords } from './reviewer-words.tsx'

interface RoundCardProps {
  readonly taskId: string
  readonly round: RoundView
  /** Whether its task still runs, so that a round without a verdict is being judged. */
  readonly isLive: boolean
  readonly navigate: (target: PanelTarget) => void
}

/** One review: the checks that the harness ran, what the reviewer found, and the verdict on which tree. */
export function RoundCard({ taskId, round, isLive, navigate }: RoundCardProps) {
  const { verdict } = round
  return (
    <section
      aria-label={`Review ${round.round}`}
      className="my-2 overflow-hidden rounded-xl border border-line bg-surface"
    >
      <header className="flex flex-wrap items-center gap-2 border-b border-line bg-sunken px-3 py-2">
        <ShieldCheck aria-hidden="true" className="size-4 text-accent" />
        <h2 className="text-sm font-semibold">Review {round.round}</h2>
        {verdict !== null && <VerdictBadge verdict={verdict} checks={round.checks} />}
        {verdict === null && isLive && (
          <span className="flex items-center gap-1.5 text-xs text-muted">
            <Spinner className="size-3 text-accent" />
            {round.checks.length === 0 ? 'running the checks' : 'judging the change'}
          </span>
        )}
        <button
          type="button"
          className="ml-auto font-mono text-xs text-faint hover:text-ink"
          title="The tree of files that was judged"
          onClick={() => navigate({ panel: 'review', round: round.round })}
        >
          tree {round.treeHash.slice(0, 7)}
        </button>
      </header>
      <div className="flex flex-col gap-1 p-2">
        {round.checks.map((check) => (
          <CheckLine key={check.name} check={check} />
        ))}
        {round.findings.map((finding) => (
          <FindingLine key={finding.id} finding={finding} navigate={navigate} />
        ))}
        {round.summary !== null && round.summary !== '' && (
          <div className="px-2 pt-1 pb-1 text-sm text-muted">
            <Markdown text={round.summary} />
          </div>
        )}
        <ReviewerWords taskId={taskId} round={round.round} isLive={isLive && verdict === null} navigate={navigate} />
      </div>
    </section>
  )
}

const CHECK_WORDS: Readonly<Record<string, string>> = {
  passed: 'passed',
  failed: 'failed',
  timed_out: 'timed out',
  lost: 'lost',
  failed_before: 'failed before, too',
  flaky: 'flaky',
  not_run: 'not run',
}

function CheckLine({ check }: { check: CheckResult }) {
  const isGood = check.status === 'passed'
  const isBad = check.status === 'failed' || check.status === 'timed_out'
  const Icon = isGood ? CircleCheck : isBad ? CircleX : CircleDashed
  const words = CHECK_WORDS[check.status] ?? check.status
  return (
    <Expandable
      className="w-full min-w-0 text-sm"
      line={
        <>
          <Icon
            aria-hidden="true"
            className={classNames('size-3.5 shrink-0', isGood ? 'text-good' : isBad ? 'text-bad' : 'text-warn')}
          />
          <span className="shrink-0 font-medium">{revealHidden(check.name)}</span>
          <span className="min-w-0 flex-1 truncate font-mono text-xs text-muted">{revealHidden(check.command)}</span>
          <span className="shrink-0 text-xs tabular-nums text-faint">
            <span className={classNames('font-medium', isGood ? 'text-good' : isBad ? 'text-bad' : 'text-warn')}>
              {check.exitCode === null || !['passed', 'failed'].includes(check.status)
                ? words
                : `exit ${check.exitCode}`}
            </span>{' '}
            {formatDuration(check.durationMs)}
          </span>
        </>
      }
    >
      <div className="mt-1 mb-2 ml-6">
        <CodeBlock code={check.reason ?? (check.output === '' ? '(no output)' : check.output)} />
      </div>
    </Expandable>
  )
}

function FindingLine({ finding, navigate }: { finding: Finding; navigate: (target: PanelTarget) => void }) {
  const { file, line } = finding
  return (
    <article className="rounded-lg border border-line px-3 py-2">
      <div className="flex flex-wrap items-center gap-1.5">
        <MessageSquareWarning aria-hidden="true" className="size-3.5 text-warn" />
        <FindingBadges finding={finding} />
        {file !== undefined && (
          <button
            type="button"
            className="min-w-0 truncate font-mono text-xs text-accent underline underline-offset-2"
            onClick={() => navigate({ panel: 'changes', file, ...(line === undefined ? {} : { line }) })}
          >
            {revealHidden(file)}
            {line !== undefined && `:${line}`}
          </button>
        )}
      </div>
      <p className="mt-1 text-sm">
        <InlineCode text={finding.claim} />
      </p>
      {finding.evidence !== '' && (
        <p className="mt-0.5 text-xs text-muted">
          <InlineCode text={finding.evidence} />
        </p>
      )}
      {finding.scenario !== undefined && (
        <p className="mt-0.5 text-xs text-faint">
          When: <InlineCode text={finding.scenario} />
        </p>
      )}
    </article>
  )
}
