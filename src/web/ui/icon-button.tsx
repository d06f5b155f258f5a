import type { ComponentProps, ReactNode } from 'react'
import { classNames } from './class-names.ts'
import { Tooltip } from './tooltip.tsx'

/** An icon that does something, and its name. */
export interface IconButtonProps extends Omit<ComponentProps<'button'>, 'aria-label' | 'children'> {
  /** Its accessible name and its tooltip. */
  readonly label: string
  readonly icon: ReactNode
  /** A shortcut shown in the tooltip, e.g. "Ctrl K". */
  readonly shortcut?: string
  readonly size?: 'small' | 'normal'
  /** For toggles: sets aria-pressed. */
  readonly isPressed?: boolean
  readonly hasTooltip?: boolean
}

/** A button that is only an icon; its name is never left out. */
export function IconButton({
  label,
  icon,
  shortcut,
  size = 'normal',
  isPressed,
  hasTooltip = true,
  className,
  type = 'button',
  ...rest
}: IconButtonProps) {
  const button = (
    <button
      {...rest}
      type={type}
      aria-label={label}
      aria-pressed={isPressed}
      className={classNames(
        'inline-flex shrink-0 items-center justify-center rounded-md text-muted transition-colors hover:bg-hover hover:text-ink disabled:opacity-50 aria-pressed:bg-accent-soft aria-pressed:text-accent',
        size === 'small' ? 'size-6' : 'size-8',
        className,
      )}
    >
      {icon}
    </button>
  )
  return hasTooltip ? (
    <Tooltip text={label} {...(shortcut === undefined ? {} : { shortcut })}>
      {button}
    </Tooltip>
  ) : (
    button
  )
}
