import { credentialHostOf } from '../credentials/credential-host.ts'
import type { Credentials } from '../credentials/credentials.ts'
import { AppError } from '../shared/errors.ts'
import type { GitHost } from './git-host.ts'
import type { GitCredential } from './run-git.ts'

/**
 * The credential for a repository's host: the one that the source names, or the newest stored for that host; null when there
 * is none. Throws `project_source_failed` when the named one is gone or belongs to another host, `credential_unreadable` and
 * `store_unavailable`.
 */
export async function credentialFor(
  credentials: Pick<Credentials, 'find'>,
  source: { readonly credentialId?: string | undefined },
  host: Pick<GitHost, 'host' | 'port'>,
): Promise<GitCredential | null> {
  const name = credentialHostOf(host)
  const { credentialId: id } = source
  const found = await credentials.find('git', id === undefined ? { host: name } : { id })
  if (id === undefined) return found && { ...found, isNamed: false }
  if (found === null) {
    throw refused(`The credential ${id} that the project names is not stored here (any more); store one for ${name}.`)
  }
  // A token that reaches another host than its own is given away.
  if (found.host !== name) {
    throw refused(`The credential that the project names is for ${found.host}, and the repository is at ${name}.`)
  }
  return { ...found, isNamed: true }
}

function refused(message: string): AppError {
  return new AppError('project_source_failed', message)
}
