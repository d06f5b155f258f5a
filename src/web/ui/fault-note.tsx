import type { ReactNode } from 'react'
import { classNames } from './class-names.ts'

/** What went wrong, in a box that screen readers tell at once. */
export function FaultNote({ children, className }: { children: ReactNode; className?: string }) {
  return (
    <p role="alert" className={classNames('rounded-md bg-bad-soft px-3 py-2 text-sm break-words text-bad', className)}>
      {children}
    </p>
  )
}
