import { ClipboardCheck } from 'lucide-react'
import { useEffect, useRef } from 'react'
import type { CheckResult } from '../../../shared/review.ts'
import type { ApiReview, ApiRound } from '../../api/types.ts'
import { VisibleText } from '../../code/visible-text.tsx'
import { Badge, type Tone } from '../../ui/badge.tsx'
import { classNames } from '../../ui/class-names.ts'
import { formatDuration } from '../../ui/format.ts'
import { VerdictBadge } from '../../ui/review-badges.tsx'
import { EmptyState } from '../../ui/states.tsx'
import type { PanelProps } from '../panel.ts'
import { FindingCard } from './finding-card.tsx'

/** Every round of the task's review: checks, findings, verdict and the tree that was judged. */
export function RoundsHistory({
  review,
  target,
  navigate,
  onJudged,
}: {
  review: ApiReview
  target: PanelProps['target']
  navigate: PanelProps['navigate']
  onJudged: () => void
}) {
  const list = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (target?.round === undefined) return
    list.current?.querySelector(`[data-round="${target.round}"]`)?.scrollIntoView({ block: 'start' })
  }, [target])
  if (review.rounds.length === 0) {
    return (
      <EmptyState
        title={review.status === 'skipped' ? 'The review was skipped' : 'No review yet'}
        icon={<ClipboardCheck />}
      >
        {review.status === 'skipped'
          ? 'The task changed no files, or reviews are switched off for this project.'
          : 'When the agent has finished, its change is checked and judged here, round by round.'}
      </EmptyState>
    )
  }
  return (
    <div ref={list} className="flex flex-col gap-4 p-3">
      {review.rounds.map((round) => (
        <Round
          key={round.round}
          round={round}
          isNamed={target?.round === round.round}
          navigate={navigate}
          onJudged={onJudged}
        />
      ))}
    </div>
  )
}

function Round({
  round,
  isNamed,
  navigate,
  onJudged,
}: {
  round: ApiRound
  isNamed: boolean
  navigate: PanelProps['navigate']
  onJudged: () => void
}) {
  return (
    <section
      data-round={round.round}
      aria-label={`Round ${round.round}`}
      className={classNames('flex flex-col gap-2 rounded-lg border p-3', isNamed ? 'border-accent' : 'border-line')}
    >
      <header className="flex flex-wrap items-center gap-2">
        <h3 className="text-sm font-semibold">{`Round ${round.round}`}</h3>
        {round.verdict !== null && <VerdictBadge verdict={round.verdict} checks={round.checks} />}
        <span className="flex-1" />
        <span className="font-mono text-xs text-faint" title={`tree ${round.treeHash}`}>
          {round.treeHash.slice(0, 10)}
        </span>
      </header>
      {round.summary !== null && (
        <p className="text-sm break-words text-muted">
          <VisibleText text={round.summary} />
        </p>
      )}
      {round.checks.length > 0 && (
        <ul className="flex flex-col gap-1">
          {round.checks.map((check) => (
            <CheckLine key={check.name} check={check} />
          ))}
        </ul>
      )}
      {round.findings.length > 0 && (
        <ul className="flex flex-col gap-2">
          {round.findings.map((finding) => (
            <FindingCard
              key={finding.id}
              finding={finding}
              onJudged={onJudged}
              onOpen={() =>
                navigate({
                  panel: 'changes',
                  ...(finding.file === undefined ? {} : { file: finding.file }),
                  ...(finding.line === undefined ? {} : { line: finding.line }),
                })
              }
            />
          ))}
        </ul>
      )}
    </section>
  )
}

const CHECK_LOOK: Readonly<Record<CheckResult['status'], { tone: Tone; word: string }>> = {
  passed: { tone: 'good', word: 'passed' },
  failed: { tone: 'bad', word: 'failed' },
  timed_out: { tone: 'bad', word: 'timed out' },
  lost: { tone: 'bad', word: 'lost' },
  failed_before: { tone: 'neutral', word: 'failed before the task too' },
  flaky: { tone: 'warn', word: 'flaky' },
  not_run: { tone: 'warn', word: 'not run' },
}

function CheckLine({ check }: { check: CheckResult }) {
  const { tone, word } = CHECK_LOOK[check.status]
  return (
    <li className="text-sm">
      <details>
        <summary className="flex flex-wrap items-center gap-1.5">
          <Badge tone={tone}>{word}</Badge>
          <span>
            <VisibleText text={check.name} />
          </span>
          <span className="text-xs text-faint">
            {check.exitCode === null ? '' : `exit ${check.exitCode}, `}
            {formatDuration(check.durationMs)}
          </span>
        </summary>
        <pre className="mt-1 max-h-64 overflow-auto rounded-md bg-sunken p-2 font-mono text-xs break-words whitespace-pre-wrap">
          <VisibleText text={`$ ${check.command}\n${check.reason ?? check.output}`} />
        </pre>
      </details>
    </li>
  )
}
