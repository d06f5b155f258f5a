import { CloudOff, FlaskConical, TriangleAlert, X } from 'lucide-react'
import { type ReactNode, useEffect, useState } from 'react'
import type { Instance } from '../api/types.ts'
import { useView } from '../store/use-view.ts'
import { isOverView } from '../store/workspace-state.ts'
import { IconButton } from '../ui/icon-button.tsx'
import { AfterDelay } from '../ui/spinner.tsx'
import { refreshInstance } from './session.ts'

const WATCH_MS = 5_000
/** A server that just started has seen no worker yet. */
const GONE_AFTER_MS = 6_000

/** What one must know before trusting what one sees. */
export function Banners({ instance }: { instance: Instance }) {
  const isDegraded = useView((state) => state.view.isDegraded)
  const isWorking = useView((state) =>
    Object.values(state.view.tasks).some((task) => state.whole.has(task.id) && !isOverView(task)),
  )
  const [isModelNoteClosed, closeModelNote] = useState(false)
  useEffect(() => {
    if (!isWorking && instance.workers === 'polling') return
    const timer = setInterval(() => {
      if (!document.hidden) void refreshInstance()
    }, WATCH_MS)
    return () => clearInterval(timer)
  }, [isWorking, instance.workers])
  return (
    <>
      {instance.model.kind === 'scripted' && !isModelNoteClosed && (
        <Banner
          icon={<FlaskConical />}
          tone="info"
          action={
            <IconButton
              label="Hide this note"
              size="small"
              hasTooltip={false}
              icon={<X className="size-3.5" />}
              onClick={() => closeModelNote(true)}
            />
          }
        >
          <strong className="font-semibold">A scripted model answers, not Claude.</strong>{' '}
          <span className="max-sm:hidden">
            It plays the sample task for real: real files, real commands. Set{' '}
            <code className="font-mono text-xs">ANTHROPIC_API_KEY</code> to work with Claude.
          </span>
        </Banner>
      )}
      {instance.workers === 'none' && (
        <AfterDelay delayMs={GONE_AFTER_MS}>
          <Banner icon={<TriangleAlert />} tone="warn">
            <strong className="font-semibold">
              {isWorking ? 'The worker is gone, your task is safe.' : 'No worker is running.'}
            </strong>{' '}
            {isWorking
              ? 'It goes on where it stood as soon as one is back.'
              : 'Messages are kept and begin as soon as one is there.'}
          </Banner>
        </AfterDelay>
      )}
      {isDegraded && (
        <Banner icon={<CloudOff />} tone="warn">
          <strong className="font-semibold">Live text is away.</strong> Everything still arrives, in whole pieces, a
          little later.
        </Banner>
      )}
    </>
  )
}

function Banner({
  icon,
  tone,
  children,
  action,
}: {
  icon: ReactNode
  tone: 'info' | 'warn'
  children: ReactNode
  action?: ReactNode
}) {
  const colour = tone === 'info' ? 'bg-info-soft text-info' : 'bg-warn-soft text-warn'
  return (
    <div
      role="status"
      className={`flex shrink-0 items-center gap-2 border-b border-line px-3 py-1.5 text-sm ${colour} [&>svg]:size-4 [&>svg]:shrink-0`}
    >
      {icon}
      <p className="min-w-0 flex-1">{children}</p>
      {action}
    </div>
  )
}
