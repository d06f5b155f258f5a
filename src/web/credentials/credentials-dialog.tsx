import { KeyRound, Trash2 } from 'lucide-react'
import { type FormEvent, useState } from 'react'
import { api } from '../api/client.ts'
import { faultOf } from '../api/fault.ts'
import type { Credential } from '../api/types.ts'
import { useQuery } from '../api/use-query.ts'
import { Button } from '../ui/button.tsx'
import { ConfirmDialog } from '../ui/confirm-dialog.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { FaultNote } from '../ui/fault-note.tsx'
import { TextField } from '../ui/field.tsx'
import { formatAgo } from '../ui/format.ts'
import { IconButton } from '../ui/icon-button.tsx'
import { Select } from '../ui/select.tsx'
import { Skeleton } from '../ui/spinner.tsx'
import { EmptyState, ErrorState } from '../ui/states.tsx'

const KINDS = [
  { value: 'git', label: 'Git host' },
  { value: 'registry', label: 'Package registry' },
] as const

/** The stored tokens by host and date, a way to delete one, and a way to store another. Their values are never shown. */
export default function CredentialsDialog({ onClose }: { onClose: () => void }) {
  const { value, error, isLoading, reload } = useQuery('credentials', (signal) => api.listCredentials(signal))
  const [leaving, setLeaving] = useState<Credential | null>(null)
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title="Credentials"
      description="Tokens for private repositories and registries. They go in once and are never shown again, to nobody."
      width="wide"
    >
      {value === undefined && isLoading && <Skeleton lines={3} label="Loading the credentials" />}
      {value === undefined && error !== undefined && <ErrorState error={error} onRetry={reload} />}
      {value?.items.length === 0 && (
        <EmptyState icon={<KeyRound />} title="No token is stored">
          Public repositories need none.
        </EmptyState>
      )}
      {value !== undefined && value.items.length > 0 && (
        <ul aria-label="Stored tokens" className="flex flex-col divide-y divide-line rounded-lg border border-line">
          {value.items.toReversed().map((credential) => (
            <li key={credential.id} className="flex items-center gap-3 px-3 py-2 text-sm">
              <span className="min-w-0 flex-1">
                <span className="block truncate font-medium">{credential.host}</span>
                <span className="block text-xs break-words text-muted">{aboutOf(credential)}</span>
              </span>
              <IconButton
                label={`Delete the token for ${credential.host}`}
                icon={<Trash2 className="size-4" />}
                onClick={() => setLeaving(credential)}
              />
            </li>
          ))}
        </ul>
      )}
      <NewCredential onStored={reload} />
      <ConfirmDialog
        isOpen={leaving !== null}
        onClose={() => setLeaving(null)}
        title={`Delete the token for ${leaving?.host ?? ''}?`}
        confirmLabel="Delete"
        isDangerous
        onConfirm={async () => {
          if (leaving !== null) await api.deleteCredential(leaving.id)
          reload()
        }}
      >
        Projects that use it cannot be cloned, synced or published until another one is stored. At the host it stays
        valid.
      </ConfirmDialog>
    </Dialog>
  )
}

function aboutOf({ kind, username, createdAt, lastUsedAt }: Credential): string {
  const used = lastUsedAt === null ? 'not used yet' : `used ${formatAgo(lastUsedAt)}`
  const who = username === undefined ? [] : [`as ${username}`]
  const what = kind === 'git' ? 'Git' : 'Registry'
  return [what, ...who, `stored ${createdAt.slice(0, 10)}`, used].join(' · ')
}

function NewCredential({ onStored }: { onStored: () => void }) {
  const [kind, setKind] = useState<Credential['kind']>('git')
  const [host, setHost] = useState('')
  const [username, setUsername] = useState('')
  const [token, setToken] = useState('')
  const [error, setError] = useState<string>()
  const [isBusy, setBusy] = useState(false)
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    setBusy(true)
    setError(undefined)
    try {
      const user = username.trim()
      await api.addCredential({
        kind,
        host: host.trim(),
        value: token.trim(),
        ...(user === '' ? {} : { username: user }),
      })
      setHost('')
      setUsername('')
      onStored()
    } catch (failure) {
      setError(faultOf(failure).message)
    } finally {
      // Gone from the page whatever became of it.
      setToken('')
      setBusy(false)
    }
  }
  return (
    <form
      onSubmit={(event) => void submit(event)}
      autoComplete="off"
      aria-label="Store a token"
      className="mt-5 flex flex-col gap-3 border-t border-line pt-4"
    >
      <div className="grid gap-3 sm:grid-cols-2">
        <Select label="For a" value={kind} options={KINDS} onChange={setKind} />
        <TextField
          label="Host"
          placeholder="git.example.com"
          value={host}
          onChange={(event) => setHost(event.target.value)}
        />
        <TextField
          label="User name"
          hint="Most hosts need none with a token"
          autoComplete="off"
          value={username}
          onChange={(event) => setUsername(event.target.value)}
        />
        <TextField
          label="Token"
          type="password"
          autoComplete="new-password"
          value={token}
          onChange={(event) => setToken(event.target.value)}
        />
      </div>
      {error !== undefined && <FaultNote>{error}</FaultNote>}
      <footer className="flex justify-end">
        <Button look="primary" type="submit" isBusy={isBusy} disabled={host.trim() === '' || token.trim() === ''}>
          Store the token
        </Button>
      </footer>
    </form>
  )
}
