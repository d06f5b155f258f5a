import { RefreshCw } from 'lucide-react'
import { useState } from 'react'
import { api } from '../../api/client.ts'
import type { ApiService } from '../../api/types.ts'
import { useQuery } from '../../api/use-query.ts'
import { Button } from '../../ui/button.tsx'
import { Skeleton } from '../../ui/spinner.tsx'
import { ErrorState } from '../../ui/states.tsx'

/** What the page of a project may do in our frame: much, but not lead our window elsewhere. */
const MAY = 'allow-scripts allow-forms allow-modals allow-popups allow-downloads'
/** Its own origin as well, which is never ours; where it has a path below ours instead, it has none at all. */
const MAY_ON_ITS_ORIGIN = `${MAY} allow-same-origin`

/** The service's page. Each frame is opened by a ticket of its own. */
export function PreviewFrame({ projectId, service }: { readonly projectId: string; readonly service: ApiService }) {
  const [loads, setLoads] = useState(0)
  const opened = useQuery(`preview:${service.id}:${loads}`, () => api.openPreview(projectId, service.id))
  if (opened.value === undefined) {
    if (opened.error === undefined) return <Skeleton lines={4} label="Opening the preview" />
    return <ErrorState error={opened.error} onRetry={opened.reload} />
  }
  const { url, form } = opened.value
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex items-center gap-2 px-3 py-1 text-xs text-faint">
        <span className="min-w-0 flex-1 truncate">
          {form === 'path' && 'This page has no host name of its own here, so its absolute paths lead elsewhere.'}
        </span>
        <Button
          size="small"
          look="quiet"
          icon={<RefreshCw className="size-3.5" />}
          onClick={() => setLoads((count) => count + 1)}
        >
          Load again
        </Button>
      </div>
      <iframe
        key={url}
        src={url}
        title={`Preview of ${service.name}`}
        sandbox={form === 'host' ? MAY_ON_ITS_ORIGIN : MAY}
        referrerPolicy="no-referrer"
        className="min-h-0 w-full flex-1 border-0 bg-white"
      />
    </div>
  )
}
