import { credentialHostOf } from '../credentials/credential-host.ts'
import type { Credentials } from '../credentials/credentials.ts'
import { AppError } from '../shared/errors.ts'
import type { GitHost } from './git-host.ts'
import type { GitCredential } from './run-git.ts'

/**
 * The credential for a repository's host: the one that the source names, or, when it names none or that was deleted since, the
 * newest stored for that host; null when there is none. Throws `project_source_failed` when the named one belongs to another
 * host, `credential_unreadable` and `store_unavailable`.
 */
export async function gitCredentialFor(
  credentials: Pick<Credentials, 'find'>,
  source: { readonly credentialId?: string | undefined },
  host: Pick<GitHost, 'host' | 'port'>,
): Promise<GitCredential | null> {
  const name = credentialHostOf(host)
  const { credentialId: id } = source
  const named = id === undefined ? null : await credentials.find('git', { id })
  if (named === null) {
    const newest = await credentials.find('git', { host: name })
    return newest && { ...newest, isNamed: false }
  }
  // A token that reaches another host than its own is given away.
  if (named.host !== name) {
    const message = `The credential that the project names is for ${named.host}, and the repository is at ${name}.`
    throw new AppError('project_source_failed', message)
  }
  return { ...named, isNamed: true }
}
