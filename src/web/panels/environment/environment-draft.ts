import type { EnvironmentBody, SetupCommand } from '../../../shared/environment.ts'
import type { NetworkPolicy } from '../../../shared/network.ts'
import type { ProjectEnvironment } from '../../api/types.ts'
import { type ApprovalDraft, approvalDraftOf, readApprovalDraft } from './approval-draft.ts'
import { filledLinesOf } from './filled-lines.ts'

/** An environment as it is typed: lists as lines. */
export interface EnvironmentDraft {
  readonly policy: NetworkPolicy
  readonly hosts: string
  readonly setupEnabled: boolean
  /** A person's own commands only. */
  readonly commands: string
  readonly variables: string
  readonly approvals: ApprovalDraft
}

/** The environment as its fields show it. Pure. */
export function environmentDraftOf({ network, setup, variables, approvals }: ProjectEnvironment): EnvironmentDraft {
  return {
    policy: network.policy,
    hosts: network.hosts.join('\n'),
    setupEnabled: setup.enabled,
    commands: setup.commands
      .map(({ name, command }) => `${name}: ${command.replaceAll('\n', ' && ')}`)
      .filter((_, index) => setup.commands[index]?.source === 'custom')
      .join('\n'),
    variables: variables.map(({ name, value }) => `${name}=${value}`).join('\n'),
    approvals: approvalDraftOf(approvals),
  }
}

/** What is saved. A command that was not typed anew keeps its lines and its directory; the server says what is wrong. */
export function readDraft(draft: EnvironmentDraft, before: ProjectEnvironment): EnvironmentBody {
  const known = new Map(
    before.setup.commands.map((command) => [`${command.name}: ${command.command.replaceAll('\n', ' && ')}`, command]),
  )
  return {
    network: { policy: draft.policy, hosts: filledLinesOf(draft.hosts) },
    setup: {
      enabled: draft.setupEnabled,
      commands: filledLinesOf(draft.commands).map((line): SetupCommand => {
        const same = known.get(line)
        if (same !== undefined) {
          const { name, command, cwd } = same
          return { name, command, ...(cwd === undefined ? {} : { cwd }) }
        }
        const at = line.indexOf(':')
        return at < 0
          ? { name: line, command: line }
          : { name: line.slice(0, at).trim(), command: line.slice(at + 1).trim() }
      }),
    },
    variables: filledLinesOf(draft.variables).map((line) => {
      const at = line.indexOf('=')
      return at < 0 ? { name: line, value: '' } : { name: line.slice(0, at).trim(), value: line.slice(at + 1) }
    }),
    services: before.services,
    approvals: readApprovalDraft(draft.approvals, before.approvals),
  }
}
