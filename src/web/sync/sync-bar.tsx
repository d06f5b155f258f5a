import { CircleCheck, RefreshCw, TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import { api } from '../api/client.ts'
import { faultOf } from '../api/fault.ts'
import type { Synced } from '../api/types.ts'
import { VisibleText } from '../code/visible-text.tsx'
import { Button } from '../ui/button.tsx'
import { formatPlural } from '../ui/format.ts'

/** What the server tells programs; here a button does it, where it can be done. */
const MARKERS_HINT = /; with onConflict "markers" the marks are in the files\.$/

type OnConflict = 'refuse' | 'markers'
type State =
  | { readonly kind: 'idle' | 'busy' }
  | { readonly kind: 'done'; readonly synced: Synced }
  /** `canMark`: what lies in the way of a new file cannot be merged with marks. */
  | { readonly kind: 'conflict'; readonly sentence: string; readonly canMark: boolean }
  | { readonly kind: 'failed'; readonly sentence: string }

/** Merges what came upstream into the project's files, and says what came of it; a conflict can be merged with its marks. */
export function SyncBar({
  projectId,
  label = 'Sync',
  onSynced,
}: {
  projectId: string
  label?: string
  /** Called when files or the project's commit may have changed. */
  onSynced?: () => void
}) {
  const [state, setState] = useState<State>({ kind: 'idle' })
  const sync = async (onConflict: OnConflict): Promise<void> => {
    setState({ kind: 'busy' })
    try {
      setState({ kind: 'done', synced: await api.syncProject(projectId, onConflict) })
      onSynced?.()
    } catch (error) {
      const { code, message } = faultOf(error)
      setState(
        code === 'sync_conflict'
          ? { kind: 'conflict', sentence: message.replace(MARKERS_HINT, '.'), canMark: MARKERS_HINT.test(message) }
          : { kind: 'failed', sentence: message },
      )
    }
  }
  return (
    <div className="flex min-w-0 items-start gap-x-2 text-sm">
      <Button
        size="small"
        isBusy={state.kind === 'busy'}
        icon={<RefreshCw className="size-3.5" />}
        onClick={() => void sync('refuse')}
      >
        {label}
      </Button>
      <SyncState state={state} onMarkers={() => void sync('markers')} />
    </div>
  )
}

function SyncState({ state, onMarkers }: { state: State; onMarkers: () => void }) {
  return (
    <div role="status" aria-label="Sync" className="flex min-h-7 min-w-0 flex-1 flex-wrap items-center gap-x-2 gap-y-1">
      {state.kind === 'busy' && <span className="text-muted">Merging what came upstream …</span>}
      {state.kind === 'done' && <Done synced={state.synced} />}
      {state.kind === 'conflict' && (
        <>
          <p className="min-w-0 basis-full break-words text-warn">
            <VisibleText text={state.sentence} />
          </p>
          {state.canMark && (
            <Button size="small" onClick={onMarkers}>
              Merge with conflict marks
            </Button>
          )}
        </>
      )}
      {state.kind === 'failed' && (
        <p className="min-w-0 basis-full break-words text-bad">
          <VisibleText text={state.sentence} />
        </p>
      )}
    </div>
  )
}

function Done({ synced: { status, commit, changed, conflicts } }: { synced: Synced }) {
  const at = <span className="text-faint"> at {commit.slice(0, 10)}</span>
  if (status === 'conflicts') {
    return (
      <>
        <TriangleAlert aria-hidden="true" className="size-4 shrink-0 text-warn" />
        <span className="min-w-0 flex-1 break-words text-warn">
          Merged with conflict marks in <VisibleText text={conflicts.join(', ')} />. Ask for them to be resolved.
        </span>
      </>
    )
  }
  return (
    <>
      <CircleCheck aria-hidden="true" className="size-4 shrink-0 text-good" />
      <span className="min-w-0 break-words text-muted">
        {status === 'merged' ? `Merged, ${formatPlural(changed.length, 'file')} changed` : 'Up to date'}
        {at}
      </span>
    </>
  )
}
