import { api } from '../api/client.ts'
import { useQuery } from '../api/use-query.ts'
import { TextField } from '../ui/field.tsx'
import { hostOfUrl } from './credential-host.ts'

/** Takes a token for the host of a repository's address, and says whether one is stored for it. */
export function TokenField({
  url,
  value,
  onChange,
}: {
  readonly url: string
  readonly value: string
  readonly onChange: (token: string) => void
}) {
  const { value: stored } = useQuery('credentials', (signal) => api.listCredentials(signal))
  const host = hostOfUrl(url)
  const known = stored?.items.findLast((credential) => credential.kind === 'git' && credential.host === host)
  const hint =
    known === undefined
      ? 'For a private repository; stored once for its host and never shown again'
      : `One is stored for ${known.host} since ${known.createdAt.slice(0, 10)} and is used by itself; another one takes its place`
  return (
    <TextField
      label="Token"
      hint={hint}
      type="password"
      autoComplete="new-password"
      value={value}
      onChange={(event) => onChange(event.target.value)}
    />
  )
}
