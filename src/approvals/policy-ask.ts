import { type ApprovalPolicy, heldCommand, heldPath, rememberedFor } from '../shared/approval-policy.ts'
import { lookOf } from '../shared/text/name-look.ts'
import { pathInWorkspace } from './path-in-workspace.ts'
import type { PersonAsk } from './person-ask.ts'

const MAX_SHOWN = 2_000

/** What is known of a call before it runs. */
export interface HeldCall {
  readonly toolName: string
  readonly isReadOnly: boolean
  readonly input: unknown
}

/**
 * What a project's policy wants decided before a call runs; null: nothing. A command is told by its text, a file by its
 * path; what was remembered as approved is let through, what was remembered as denied is asked as `denied`. Pure.
 */
export function policyAsk(
  policy: ApprovalPolicy,
  call: HeldCall & { readonly root: string },
  expiresMs: number,
): PersonAsk | null {
  if (call.isReadOnly || typeof call.input !== 'object' || call.input === null) return null
  const command: unknown = 'command' in call.input ? call.input.command : undefined
  if (typeof command === 'string') {
    const pattern = heldCommand(command, policy.commands)
    if (pattern === null) return null
    return asked(policy, { kind: 'command', subject: command.trim(), pattern, title: `Run ${command}` }, expiresMs)
  }
  const path: unknown = 'file_path' in call.input ? call.input.file_path : undefined
  const subject = typeof path === 'string' ? pathInWorkspace(path, call.root) : null
  if (subject === null) return null
  // The file tools take a name that looks the same for the one that is there.
  const pattern = heldPath(subject, policy.paths) ?? heldPath(lookOf(subject), policy.paths)
  if (pattern === null) return null
  return asked(policy, { kind: 'path', subject, pattern, title: `Change ${subject}` }, expiresMs)
}

function asked(
  policy: ApprovalPolicy,
  held: { kind: 'command' | 'path'; subject: string; pattern: string; title: string },
  expiresMs: number,
): PersonAsk | null {
  const { kind, subject, pattern, title } = held
  const remembered = rememberedFor(policy, kind, subject)
  if (remembered === 'approve') return null
  const shown = subject.length > MAX_SHOWN ? `${subject.slice(0, MAX_SHOWN)}…` : subject
  const detail = kind === 'command' ? { command: shown, pattern } : { paths: [subject], pattern }
  return { kind, title, detail, expiresMs, ...(remembered === 'deny' ? { isDenied: true } : {}) }
}
