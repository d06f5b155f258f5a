import { Download, FileDown, GitBranch, GitPullRequest } from 'lucide-react'
import { useState } from 'react'
import { api } from '../api/client.ts'
import type { PublishWish, TaskEnding } from '../api/types.ts'
import { useFollowed } from '../api/use-followed.ts'
import { newClientMessageId } from '../composer/client-message-id.ts'
import { useWorkspaceStore } from '../store/use-view.ts'
import { SyncBar } from '../sync/sync-bar.tsx'
import { Button } from '../ui/button.tsx'
import { useBusy } from '../ui/use-busy.ts'
import { PublicationState } from './publication-state.tsx'

const LOOK_EVERY_MS = 1_500

/** The ways out of the workspace for what a task changed, and how far a publication has come; `ending` is null until it is read. */
export function PublishBar({ taskId, ending }: { taskId: string; ending: TaskEnding | null }) {
  const { projectId } = useWorkspaceStore()
  const [busy, attempt] = useBusy<'publish' | 'patch'>()
  /** Chosen when the conversation's own was in somebody else's hands; what is published next goes there as well. */
  const [otherBranch, setOtherBranch] = useState<string | null>(null)
  const { value: publication, reload } = useFollowed(
    ending?.publication ?? null,
    async (signal) => (await api.listPublications(projectId, taskId, signal)).at(-1) ?? null,
    (newest) => newest?.status === 'running',
    LOOK_EVERY_MS,
  )
  const isRunning = publication?.status === 'running'

  const publish = (wish: PublishWish): void => {
    const clientPublishId = newClientMessageId()
    void attempt('publish', async () => {
      const branch = wish.branch ?? otherBranch
      // What went to a fork once goes there again.
      const isFork = wish.fork ?? publication?.wantsFork === true
      const more = { ...(branch === null ? {} : { branch }), ...(isFork ? { fork: true } : {}) }
      await api.publishTask(taskId, { ...wish, ...more, clientPublishId })
      reload()
    })
  }
  const isBlocked = isRunning || busy === 'publish'
  const hasPullRequest = publication?.pullRequest != null
  return (
    <div className="mt-2 border-t border-line pt-2">
      <div className="flex flex-wrap gap-1.5">
        {ending?.isGit === true && (
          <>
            <Button
              size="small"
              icon={<GitPullRequest className="size-3.5" />}
              disabled={isBlocked}
              onClick={() => publish({ pullRequest: true })}
            >
              {hasPullRequest ? 'Update pull request' : 'Create pull request'}
            </Button>
            <Button
              size="small"
              icon={<GitBranch className="size-3.5" />}
              disabled={isBlocked}
              onClick={() => publish({})}
            >
              Push branch
            </Button>
          </>
        )}
        <Button
          size="small"
          look="quiet"
          icon={<FileDown className="size-3.5" />}
          isBusy={busy === 'patch'}
          onClick={() => void attempt('patch', () => savePatch(taskId))}
        >
          Download patch
        </Button>
        <Button
          size="small"
          look="quiet"
          icon={<Download className="size-3.5" />}
          onClick={() => save(api.archiveAddress(projectId), '')}
        >
          Download files
        </Button>
      </div>
      {publication !== null && (
        <PublicationState
          publication={publication}
          onAllowWorkflowFiles={() => publish({ pullRequest: publication.wantsPullRequest, allowWorkflowFiles: true })}
          onFork={() => publish({ pullRequest: publication.wantsPullRequest, fork: true })}
          onOtherBranch={(branch) => {
            setOtherBranch(branch)
            publish({ pullRequest: publication.wantsPullRequest, branch })
          }}
        />
      )}
      {publication?.error?.code === 'branch_moved' && (
        <div className="mt-1.5">
          <SyncBar projectId={projectId} />
        </div>
      )}
    </div>
  )
}

async function savePatch(taskId: string): Promise<void> {
  const address = URL.createObjectURL(await api.readPatch(taskId))
  save(address, `${taskId}.patch`)
  // The browser has taken it by then.
  setTimeout(() => URL.revokeObjectURL(address), 60_000)
}

function save(address: string, name: string): void {
  const link = document.createElement('a')
  link.href = address
  link.download = name
  link.click()
}
