import { FolderTree } from 'lucide-react'
import { EmptyState } from '../ui/states.tsx'
import { FileTree } from './files/file-tree.tsx'
import { FileViewer } from './files/file-viewer.tsx'
import type { PanelProps } from './panel.ts'

/** The files as they are now, to be looked at. They are read again whenever the task has changed some. */
export default function FilesPanel({ projectId, task, navigate, target }: PanelProps) {
  const path = target?.file ?? null
  const version =
    task === null ? '' : `${task.id}:${task.files.length}:${task.checkpoints.length}:${task.endedAt ?? ''}`
  return (
    <div className="flex min-h-0 flex-1 flex-col">
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
