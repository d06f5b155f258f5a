import {
  Box,
  FileStack,
  Gauge,
  PackageCheck,
  RefreshCw,
  ShieldOff,
  Shrink,
  TriangleAlert,
  UserCheck,
} from 'lucide-react'
import type { ReactNode } from 'react'
import type { StepView } from '../state.ts'
import { revealHidden } from '../text/reveal-hidden.ts'
import { formatCount, formatDuration } from '../ui/format.ts'
import { DeniedCard } from './denied-card.tsx'
import { RememberedLine } from './remembered-line.tsx'

/** The others have a line or a card of their own. */
type QuietStep = Exclude<StepView, { readonly kind: 'network_denied' | 'remembered' }>

/** What happened between the messages, in one quiet line. */
export function StepLine({ step }: { step: StepView }) {
  if (step.kind === 'remembered') return <RememberedLine facts={step.facts} />
  if (step.kind === 'network_denied') return <DeniedCard host={step.host} reason={step.reason} />
  const { icon, text } = describe(step)
  return (
    <p className="flex items-center gap-2 px-2 py-0.5 text-xs text-faint [&>svg]:size-3.5 [&>svg]:shrink-0">
      {icon}
      <span className="min-w-0">{text}</span>
    </p>
  )
}

function describe(step: QuietStep): { icon: ReactNode; text: string } {
  switch (step.kind) {
    case 'sandbox_ready': {
      const how = step.reused ? 'Sandbox taken up again' : 'Sandbox ready'
      return { icon: <Box aria-hidden="true" />, text: `${how} in ${formatDuration(step.durationMs)}` }
    }
    case 'sandbox_lost':
      return { icon: <TriangleAlert aria-hidden="true" />, text: `Sandbox lost: ${revealHidden(step.detail)}` }
    case 'context': {
      const time = step.durationMs === null ? '' : ` in ${formatDuration(step.durationMs)}`
      const how = step.reused ? 'Project context reused' : `Project context made${time}`
      return { icon: <FileStack aria-hidden="true" />, text: `${how} · ${formatCount(step.tokens)} tokens` }
    }
    case 'setup': {
      const done = step.fromCache ? 'Dependencies restored from cache' : 'Dependencies installed'
      const took = formatDuration(step.durationMs)
      if (step.state === 'ready') return { icon: <PackageCheck aria-hidden="true" />, text: `${done} in ${took}` }
      const text = `The set-up failed after ${took}; what it printed stands under Environment`
      return { icon: <TriangleAlert aria-hidden="true" />, text }
    }
    case 'approval_resolved':
      return { icon: <UserCheck aria-hidden="true" />, text: revealHidden(resolvedText(step)) }
    case 'compacted':
      return {
        icon: <Shrink aria-hidden="true" />,
        text: `Conversation compacted: ${formatCount(step.before)} → ${formatCount(step.after)} tokens`,
      }
    case 'resumed':
      return { icon: <RefreshCw aria-hidden="true" />, text: 'A worker was lost; another goes on where it stood' }
    case 'turn_repeated':
      return { icon: <RefreshCw aria-hidden="true" />, text: 'The model is asked again' }
    case 'budget_warning':
    case 'budget_reached': {
      const what = step.kind === 'budget_warning' ? 'Budget nearly used' : 'Budget reached'
      return { icon: <Gauge aria-hidden="true" />, text: `${what}: ${budgetText(step)}` }
    }
    case 'model_substituted':
      return { icon: <TriangleAlert aria-hidden="true" />, text: revealHidden(step.message) }
    case 'review_skipped': {
      const why = step.reason === 'disabled' ? 'reviews are switched off' : 'no file changed'
      return { icon: <ShieldOff aria-hidden="true" />, text: `No review: ${why}` }
    }
  }
}

const RESOLVED: Readonly<Record<string, string>> = {
  approve: 'approved',
  deny: 'denied',
  expired: 'nobody answered in time',
  withdrawn: 'the task ended first',
}

function resolvedText({ title, decision, answer }: Extract<StepView, { kind: 'approval_resolved' }>): string {
  return `${title}: ${answer ?? RESOLVED[decision] ?? decision}`
}

/** "$0.42 of $0.50", "8 of 10 turns". */
export function budgetText(mark: { budgetKind: string; used: number; limit: number }): string {
  if (mark.budgetKind === 'usd') return `$${mark.used.toFixed(2)} of $${mark.limit.toFixed(2)}`
  return `${Math.round(mark.used)} of ${mark.limit} ${mark.budgetKind}`
}
