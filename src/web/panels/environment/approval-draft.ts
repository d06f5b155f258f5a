import { type ApprovalPolicy, NO_POLICY, type RememberedDecision } from '../../../shared/approval-policy.ts'
import { filledLinesOf } from './filled-lines.ts'

/** What a person must decide, as it is typed: patterns as lines. */
export interface ApprovalDraft {
  readonly commands: string
  readonly paths: string
  readonly hosts: string
  readonly publishing: boolean
  readonly expiresInHours: string
  readonly remembered: readonly RememberedDecision[]
}

/** The policy as its fields show it. Pure. */
export function approvalDraftOf(policy: ApprovalPolicy = NO_POLICY): ApprovalDraft {
  const { commands, paths, hosts, publishing = false, expiresInHours, remembered } = policy
  return {
    commands: commands.join('\n'),
    paths: paths.join('\n'),
    hosts: hosts.join('\n'),
    publishing,
    expiresInHours: String(expiresInHours),
    remembered,
  }
}

/** What is saved; the server says what is wrong with it. Fields that this page does not know stay as they are. */
export function readApprovalDraft(draft: ApprovalDraft, before: ApprovalPolicy = NO_POLICY): ApprovalPolicy {
  return {
    ...before,
    commands: filledLinesOf(draft.commands),
    paths: filledLinesOf(draft.paths),
    hosts: filledLinesOf(draft.hosts),
    publishing: draft.publishing,
    expiresInHours: Number(draft.expiresInHours.trim().replace(',', '.')),
    remembered: draft.remembered,
  }
}
