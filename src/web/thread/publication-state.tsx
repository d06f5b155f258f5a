import { CircleCheck, CircleX } from 'lucide-react'
import type { Publication } from '../api/types.ts'
import { VisibleText } from '../code/visible-text.tsx'
import { PublishApproval } from '../people/publish-approval.tsx'
import { safeLink } from '../text/safe-link.ts'
import { Button } from '../ui/button.tsx'
import { Spinner } from '../ui/spinner.tsx'

const STEPS: Readonly<Record<Publication['step'], string>> = {
  approving: 'A person decides about publishing to',
  building: 'Making the commit for',
  pushing: 'Pushing',
  opening: 'Opening the pull request of',
  done: 'Published to',
}

/** How far a publication has come, with links to what it left at the repository's host. */
export function PublicationState({
  publication,
  onAllowWorkflowFiles,
  onOtherBranch,
}: {
  publication: Publication
  /** Publishes it to a branch of this name. */
  onOtherBranch: (branch: string) => void
  onAllowWorkflowFiles: () => void
}) {
  const { status, step, branch, commit, branchUrl, pullRequest, error } = publication
  const isPushed = step === 'opening' || step === 'done'
  return (
    <div role="status" aria-label="Publication" className="mt-2 flex flex-wrap items-center gap-x-2 gap-y-1 text-sm">
      {status === 'running' && <Spinner />}
      {status === 'finished' && <CircleCheck aria-hidden="true" className="size-4 shrink-0 text-good" />}
      {status === 'failed' && <CircleX aria-hidden="true" className="size-4 shrink-0 text-bad" />}
      <span className="min-w-0 break-words text-muted">
        {status === 'failed' ? (isPushed ? 'Pushed to' : 'Not published to') : STEPS[step]}{' '}
        <OutwardLink href={branchUrl} text={branch} />
        {isPushed && commit !== undefined && <span className="text-faint"> at {commit.slice(0, 10)}</span>}
      </span>
      {pullRequest !== null && <OutwardLink href={pullRequest.url} text={`Pull request #${pullRequest.number}`} />}
      {error !== undefined && (
        <p className="w-full break-words text-bad">
          <VisibleText text={error.message} />
        </p>
      )}
      {publication.approvalId !== undefined && <PublishApproval approvalId={publication.approvalId} />}
      {error?.code === 'workflow_files' && (
        <Button size="small" onClick={onAllowWorkflowFiles}>
          Publish with these files
        </Button>
      )}
      {(error?.code === 'branch_moved' || error?.code === 'branch_taken') && (
        <Button size="small" className="max-w-full" onClick={() => onOtherBranch(nextName(branch))}>
          <span className="min-w-0 truncate">
            Publish to <VisibleText text={nextName(branch)} />
          </span>
        </Button>
      )}
    </div>
  )
}

/** The name with a number behind it, one higher where it has one. */
function nextName(branch: string): string {
  const [, name = branch, number = '1'] = /^(.*)-([1-9]\d{0,3})$/.exec(branch) ?? []
  return `${name}-${Number(number) + 1}`
}

/** A link with the host that it leads to; plain text where there is no address to trust. */
function OutwardLink({ href, text }: { href: string | undefined; text: string }) {
  const link = href === undefined ? null : safeLink(href)
  if (link === null) return <VisibleText text={text} />
  return (
    <a href={link.href} target="_blank" rel="noreferrer" title={link.host} className="text-accent hover:underline">
      <VisibleText text={text} />
    </a>
  )
}
