import { type ReactNode, useEffect, useState } from 'react'
import { classNames } from './class-names.ts'

const DELAY_MS = 300

/** A small turning ring; decoration only, so say in words elsewhere what is going on. */
export function Spinner({ className }: { className?: string }) {
  return (
    <span
      aria-hidden="true"
      className={classNames(
        'inline-block size-3.5 shrink-0 rounded-full border-2 border-current border-r-transparent animate-spinner',
        className,
      )}
    />
  )
}

/** Its children after 300 ms: what is quick never flickers. */
export function AfterDelay({ children, delayMs = DELAY_MS }: { children: ReactNode; delayMs?: number }) {
  const [isShown, setShown] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), delayMs)
    return () => clearTimeout(timer)
  }, [delayMs])
  return isShown ? children : null
}

/** Grey lines in the place of text that is being loaded, after 300 ms; screen readers hear `label`. */
export function Skeleton({
  lines = 3,
  label = 'Loading',
  className,
}: {
  lines?: number
  label?: string
  className?: string
}) {
  return (
    <AfterDelay>
      <div role="status" className={classNames('flex flex-col gap-2.5 p-4', className)}>
        <span className="sr-only">{label} …</span>
        {Array.from({ length: lines }, (_, index) => (
          <span
            key={index}
            aria-hidden="true"
            className="h-3 rounded bg-hover animate-breathe"
            style={{ width: `${[92, 78, 85, 64, 88][index % 5]}%` }}
          />
        ))}
      </div>
    </AfterDelay>
  )
}
