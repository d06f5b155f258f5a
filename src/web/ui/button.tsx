import type { ComponentProps, ReactNode } from 'react'
import { classNames } from './class-names.ts'
import { Spinner } from './spinner.tsx'

const LOOKS = {
  primary: 'bg-accent text-on-accent hover:bg-accent-strong border-transparent',
  normal: 'bg-surface text-ink hover:bg-hover border-line-strong',
  quiet: 'bg-transparent text-muted hover:bg-hover hover:text-ink border-transparent',
  danger: 'bg-bad-soft text-bad hover:border-bad border-transparent',
} as const

/** A button’s look and state; a busy one cannot be pressed. */
export interface ButtonProps extends ComponentProps<'button'> {
  readonly look?: keyof typeof LOOKS
  readonly size?: 'small' | 'normal'
  /** Shows a spinner and takes no clicks. */
  readonly isBusy?: boolean
  readonly icon?: ReactNode
}

/** A button with words. Busy and disabled ones keep their size, so nothing around them jumps. */
export function Button({
  look = 'normal',
  size = 'normal',
  isBusy = false,
  icon,
  className,
  children,
  disabled,
  type = 'button',
  ...rest
}: ButtonProps) {
  return (
    <button
      {...rest}
      type={type}
      disabled={disabled === true || isBusy}
      aria-busy={isBusy || undefined}
      className={classNames(
        'inline-flex shrink-0 items-center justify-center gap-1.5 rounded-md border font-medium whitespace-nowrap transition-colors disabled:opacity-55',
        size === 'small' ? 'h-7 px-2 text-xs' : 'h-8 px-3 text-sm',
        LOOKS[look],
        className,
      )}
    >
      {isBusy ? <Spinner /> : icon}
      {children}
    </button>
  )
}
