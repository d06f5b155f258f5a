import { FolderTree } from 'lucide-react'
import { useState } from 'react'
import { useView } from '../store/use-view.ts'
import { SyncBar } from '../sync/sync-bar.tsx'
import { EmptyState } from '../ui/states.tsx'
import { FileTree } from './files/file-tree.tsx'
import { FileViewer } from './files/file-viewer.tsx'
import type { PanelProps } from './panel.ts'

/** The files as they are now, to be looked at. They are read again whenever the task has changed some. */
export default function FilesPanel({ projectId, task, navigate, target }: PanelProps) {
  const path = target?.file ?? null
  const isGit = useView((state) => state.project?.source.kind === 'git')
  const [syncs, setSyncs] = useState(0)
  const ofTask = task === null ? '' : `${task.id}:${task.files.length}:${task.checkpoints.length}:${task.endedAt ?? ''}`
  const version = `${ofTask}:${syncs}`
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      {isGit && (
        <div className="border-b border-line px-3 py-1.5">
          <SyncBar key={projectId} projectId={projectId} onSynced={() => setSyncs((before) => before + 1)} />
        </div>
      )}
      <div className={`overflow-y-auto border-b border-line ${path === null ? 'flex-1' : 'max-h-[40%] shrink-0'}`}>
        <FileTree
          key={projectId}
          {...{ projectId, version }}
          selected={path}
          onSelect={(file) => navigate({ panel: 'files', file })}
        />
      </div>
      {path === null ? (
        <EmptyState title="No file is open" icon={<FolderTree />}>
          Choose one above. Files are read here; the agent changes them.
        </EmptyState>
      ) : (
        <FileViewer key={path} {...{ projectId, path, version }} line={target?.line ?? null} />
      )}
    </div>
  )
}
