import { useEffect, useState } from 'react'
import { isEnded } from '../../../shared/service.ts'
import { api } from '../../api/client.ts'
import type { ApiService } from '../../api/types.ts'
import { useQuery } from '../../api/use-query.ts'
import { VisibleText } from '../../code/visible-text.tsx'

const READ_EVERY_MS = 1_500

/** What a service printed, read again while it runs and is looked at. */
export function ServiceLog({ projectId, service }: { readonly projectId: string; readonly service: ApiService }) {
  const [reads, setReads] = useState(0)
  const runs = !isEnded(service.state)
  useEffect(() => {
    if (!runs) return
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') setReads((count) => count + 1)
    }, READ_EVERY_MS)
    return () => clearInterval(timer)
  }, [runs])
  const version = `${service.state}:${reads}`
  const log = useQuery(`log:${service.id}`, (signal) => api.serviceLog(projectId, service.id, signal), version)
  const text = log.value?.text ?? service.tail
  return (
    <pre
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      aria-label="Log of the service"
      className="max-h-60 min-h-16 shrink-0 overflow-auto border-b border-line bg-sunken p-3 font-mono text-xs whitespace-pre-wrap focus-visible:-outline-offset-2"
    >
      {text === '' ? <span className="text-faint">It has printed nothing yet.</span> : <VisibleText text={text} />}
    </pre>
  )
}
