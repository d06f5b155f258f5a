import type { ReactNode } from 'react'
import { faultOf } from '../api/fault.ts'
import { Button } from './button.tsx'

interface EmptyStateProps {
  readonly title: string
  readonly children?: ReactNode
  readonly icon?: ReactNode
  readonly action?: ReactNode
}

/** What a region says when it has nothing to show: what will stand here, and how it comes to be. */
export function EmptyState({ title, children, icon, action }: EmptyStateProps) {
  return (
    <div className="mx-auto flex max-w-sm flex-col items-center gap-2 px-6 py-12 text-center">
      {icon !== undefined && <span className="text-faint [&>svg]:size-6">{icon}</span>}
      <p className="font-medium">{title}</p>
      {children !== undefined && <div className="text-sm text-muted">{children}</div>}
      {action !== undefined && <div className="mt-2">{action}</div>}
    </div>
  )
}

/** What a region says when its call failed: the server's sentence, and the way to try again. */
export function ErrorState({
  error,
  onRetry,
  title = 'This could not be loaded',
}: {
  error: unknown
  onRetry?: () => void
  title?: string
}) {
  const fault = faultOf(error)
  return (
    <div role="alert" className="mx-auto flex max-w-sm flex-col items-center gap-2 px-6 py-10 text-center">
      <p className="font-medium text-bad">{title}</p>
      <p className="text-sm break-words text-muted">{fault.message}</p>
      {onRetry !== undefined && (
        <Button size="small" onClick={onRetry}>
          Try again
        </Button>
      )}
    </div>
  )
}
