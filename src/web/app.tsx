import { PlugZap } from 'lucide-react'
import { useEffect, useState } from 'react'
import { faultOf } from './api/fault.ts'
import { goTo, useRoute } from './routing/use-route.ts'
import { sampleProject } from './shell/projects.ts'
import { useSession } from './shell/session.ts'
import { SignInForm } from './shell/sign-in-form.tsx'
import { useTheme } from './shell/theme.ts'
import { WorkspaceShell } from './shell/workspace-shell.tsx'
import { AfterDelay, Skeleton, Spinner } from './ui/spinner.tsx'
import { EmptyState, ErrorState } from './ui/states.tsx'
import { Toasts } from './ui/toast.tsx'
import { TooltipProvider } from './ui/tooltip.tsx'

/** The whole page: who asks, then where they are. */
export function App() {
  useTheme()
  return (
    <TooltipProvider delayDuration={400}>
      <Gate />
      <Toasts />
    </TooltipProvider>
  )
}

function Gate() {
  const session = useSession()
  const route = useRoute()
  switch (session.kind) {
    case 'checking':
      return <Skeleton />
    case 'unreachable':
      return (
        <AfterDelay>
          <EmptyState title="Waiting for the server" icon={<Spinner />}>
            It does not answer at the moment. This page goes on by itself as soon as it does.
          </EmptyState>
        </AfterDelay>
      )
    case 'out':
      return (
        <EmptyState title="Signed out" icon={<PlugZap />}>
          <p>{session.message}</p>
          <SignInForm />
          <p className="mt-4">
            The link that the start prints works once. The{' '}
            <a className="text-accent underline" href="/docs">
              API's documentation
            </a>{' '}
            is open to everybody.
          </p>
        </EmptyState>
      )
    case 'in':
      return route.projectId === null ? (
        <OpenFirstProject />
      ) : (
        <WorkspaceShell instance={session.instance} projectId={route.projectId} route={route} />
      )
  }
}

/** Nobody starts before an empty page: without an address the sample project opens, made when there is none. */
function OpenFirstProject() {
  const [error, setError] = useState<unknown>(null)
  const [attempt, setAttempt] = useState(0)
  useEffect(() => {
    let isLeft = false
    setError(null)
    firstProjectId().then(
      (projectId) => {
        if (!isLeft) goTo({ projectId, conversationId: null, target: null }, { replace: true })
      },
      (failure: unknown) => {
        if (!isLeft) setError(faultOf(failure))
      },
    )
    return () => {
      isLeft = true
    }
  }, [attempt])
  return error === null ? (
    <Skeleton label="Opening the first project" />
  ) : (
    <ErrorState error={error} onRetry={() => setAttempt(attempt + 1)} title="The first project could not be opened" />
  )
}

let opening: Promise<string> | undefined

/** One at a time, so that two mounts never make two samples. */
function firstProjectId(): Promise<string> {
  opening ??= sampleProject()
    .then(({ id }) => id)
    .finally(() => {
      opening = undefined
    })
  return opening
}
