import { CircleCheck, CircleX } from 'lucide-react'
import type { Publication } from '../api/types.ts'
import { VisibleText } from '../code/visible-text.tsx'
import { PublishApproval } from '../people/publish-approval.tsx'
import { safeLink } from '../text/safe-link.ts'
import { Button } from '../ui/button.tsx'
import { Spinner } from '../ui/spinner.tsx'

/** What the server tells programs; here a button does it. */
const FIELD_HINT = /, then publish with allowWorkflowFiles\.$/

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
  onFork,
}: {
  publication: Publication
  /** Publishes it to a branch of this name. */
  onOtherBranch: (branch: string) => void
  onAllowWorkflowFiles: () => void
  /** Publishes it from a fork. */
  onFork: () => void
}) {
  const { status, step, branch, commit, branchUrl, pullRequest, error } = publication
  const isPushed = step === 'opening' || step === 'done'
  return (
    <div role="status" aria-label="Publication" className="mt-2 flex flex-col items-start gap-1.5 text-sm">
      <div className="flex max-w-full items-start gap-2">
        {status === 'running' && <Spinner className="mt-0.5" />}
        {status === 'finished' && <CircleCheck aria-hidden="true" className="mt-0.5 size-4 shrink-0 text-good" />}
        {status === 'failed' && <CircleX aria-hidden="true" className="mt-0.5 size-4 shrink-0 text-bad" />}
        <div className="flex min-w-0 flex-wrap gap-x-3">
          <span className="min-w-0 break-words text-muted">
            {status === 'failed' ? (isPushed ? 'Pushed to' : 'Not published to') : STEPS[step]}{' '}
            <OutwardLink href={branchUrl} text={branch} />
            {publication.fork !== undefined && <span className="text-faint"> of {publication.fork}</span>}
            {isPushed && commit !== undefined && <span className="text-faint"> at {commit.slice(0, 10)}</span>}
          </span>
          {pullRequest !== null && <OutwardLink href={pullRequest.url} text={`Pull request #${pullRequest.number}`} />}
          {error !== undefined && (
            <p className="w-full break-words text-bad">
              <VisibleText text={error.message.replace(FIELD_HINT, ', then decide.')} />
            </p>
          )}
        </div>
      </div>
      {publication.approvalId !== undefined && <PublishApproval approvalId={publication.approvalId} />}
      {error?.code === 'missing_scope' && step === 'pushing' && !publication.wantsFork && (
        <Button size="small" onClick={onFork}>
          Publish from a fork
        </Button>
      )}
      {error?.code === 'workflow_files' && (
        <Button size="small" onClick={onAllowWorkflowFiles}>
          Publish with these files
        </Button>
      )}
      {(error?.code === 'branch_moved' || error?.code === 'branch_taken') && (
        <Button
          size="small"
          className="h-auto min-h-7 max-w-full py-1 whitespace-normal text-left"
          onClick={() => onOtherBranch(nextName(branch))}
        >
          {/* Whole, however long: what tells it from the other branch stands at its end. */}
          <span className="min-w-0 break-words">
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
