import type { ApprovalDetail, ApprovalKind, ApprovalState } from '../shared/approval.ts'

/** What the model is told once a person has decided on something that its command did or wanted. Pure. */
export function heldChangeText(held: {
  readonly kind: ApprovalKind
  readonly state: ApprovalState
  readonly detail: ApprovalDetail
  readonly note: string | null
}): string {
  const said = held.note === null || held.note.trim() === '' ? '' : ` They say: ${held.note.trim()}`
  const isApproved = held.state === 'approved'
  const nobody = held.state === 'denied' ? 'The user denied' : 'Nobody approved in time'
  if (held.kind === 'host') {
    const host = held.detail.host ?? 'the host'
    return isApproved
      ? `Notice: the user allowed ${host}; commands reach it from now on. Run again what needed it.${said}`
      : `Notice: ${nobody} ${held.state === 'denied' ? host : `that commands reach ${host}`}. Go on without it.${said}`
  }
  const paths = (held.detail.paths ?? []).join(', ')
  return isApproved
    ? `Notice: the user approved what your command changed in ${paths}.${said}`
    : `Notice: ${nobody} what your command changed in ${paths}; it was put back as it was before. Find a way without it, or say what is left.${said}`
}
