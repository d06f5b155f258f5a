import type { ReactNode } from 'react'
import { classNames } from './class-names.ts'

/** What a colour says; each has a pair for light and dark. */
export type Tone = 'neutral' | 'accent' | 'good' | 'warn' | 'bad' | 'info'

const TONES: Readonly<Record<Tone, string>> = {
  neutral: 'bg-hover text-muted',
  accent: 'bg-accent-soft text-accent',
  good: 'bg-good-soft text-good',
  warn: 'bg-warn-soft text-warn',
  bad: 'bg-bad-soft text-bad',
  info: 'bg-info-soft text-info',
}

/** One or two words about a state. The words carry the meaning, the colour only repeats it. */
export function Badge({
  tone = 'neutral',
  icon,
  children,
  className,
}: {
  tone?: Tone
  icon?: ReactNode
  children: ReactNode
  className?: string
}) {
  return (
    <span
      className={classNames(
        'inline-flex items-center gap-1 rounded px-1.5 py-0.5 text-xs font-medium whitespace-nowrap',
        TONES[tone],
        className,
      )}
    >
      {icon}
      {children}
    </span>
  )
}

/** A dot with a name for screen readers: `isLive` makes it breathe. */
export function StatusDot({ tone, label, isLive = false }: { tone: Tone; label: string; isLive?: boolean }) {
  const colour = {
    neutral: 'bg-line-strong',
    accent: 'bg-accent',
    good: 'bg-good',
    warn: 'bg-warn',
    bad: 'bg-bad',
    info: 'bg-info',
  }
  return (
    <span
      role="img"
      aria-label={label}
      title={label}
      className={classNames('inline-block size-2 shrink-0 rounded-full', colour[tone], isLive && 'animate-breathe')}
    />
  )
}
