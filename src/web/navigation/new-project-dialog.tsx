import { FileUp, FolderGit2, FolderUp, PackageOpen, Sparkles } from 'lucide-react'
import { type ChangeEvent, type FormEvent, type ReactNode, useState } from 'react'
import { api } from '../api/client.ts'
import { faultOf } from '../api/fault.ts'
import type { Project, ProjectSource } from '../api/types.ts'
import { hostOfUrl } from '../credentials/credential-host.ts'
import { TokenField } from '../credentials/token-field.tsx'
import { makeProject } from '../shell/projects.ts'
import { Button } from '../ui/button.tsx'
import { classNames } from '../ui/class-names.ts'
import { Dialog } from '../ui/dialog.tsx'
import { FaultNote } from '../ui/fault-note.tsx'
import { TextField } from '../ui/field.tsx'
import { formatPlural } from '../ui/format.ts'
import { readUpload, type Upload } from './read-upload.ts'

type Kind = 'sample' | 'empty' | 'git' | 'files'

const KINDS: readonly { kind: Kind; label: string; hint: string; icon: ReactNode }[] = [
  { kind: 'sample', label: 'Sample', hint: 'A small library with a failing test', icon: <Sparkles /> },
  { kind: 'git', label: 'Git', hint: 'Cloned from an https URL', icon: <FolderGit2 /> },
  { kind: 'files', label: 'Upload', hint: 'Files or a folder of yours', icon: <FolderUp /> },
  { kind: 'empty', label: 'Empty', hint: 'To begin something new', icon: <PackageOpen /> },
]

interface NewProjectDialogProps {
  readonly onClose: () => void
  readonly onMade: (project: Project) => void
}

/** Asks where a project's files come from, and makes it. Lives as long as it is open. */
export default function NewProjectDialog({ onClose, onMade }: NewProjectDialogProps) {
  const [kind, setKind] = useState<Kind>('sample')
  const [name, setName] = useState('')
  const [url, setUrl] = useState('')
  const [ref, setRef] = useState('')
  const [token, setToken] = useState('')
  const [upload, setUpload] = useState<Upload | null>(null)
  const [error, setError] = useState<string>()
  const [isBusy, setBusy] = useState(false)

  const source = sourceOf(kind, { url: url.trim(), ref: ref.trim(), upload })
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    if (source === null) return
    setBusy(true)
    setError(undefined)
    try {
      onMade(await makeWithToken(name.trim() || nameFor(kind, url.trim()), source, token.trim()))
    } catch (failure) {
      setError(faultOf(failure).message)
    } finally {
      // Gone from the page whatever became of it.
      setToken('')
      setBusy(false)
    }
  }
  const choose = async (event: ChangeEvent<HTMLInputElement>): Promise<void> => {
    setError(undefined)
    try {
      setUpload(await readUpload([...(event.target.files ?? [])]))
    } catch (failure) {
      setError(faultOf(failure).message)
    }
  }
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title="New project"
      description="The agent works in a sandbox of its own, on a copy."
    >
      <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
        <fieldset className="grid grid-cols-2 gap-2">
          <legend className="sr-only">Where its files come from</legend>
          {KINDS.map((choice) => (
            <label
              key={choice.kind}
              className={classNames(
                'flex cursor-pointer items-start gap-2 rounded-lg border p-2.5 text-sm has-focus-visible:outline-2 has-focus-visible:outline-accent [&>svg]:mt-0.5 [&>svg]:size-4 [&>svg]:shrink-0',
                kind === choice.kind ? 'border-accent bg-accent-soft' : 'border-line hover:bg-hover',
              )}
            >
              <input
                type="radio"
                name="kind"
                className="sr-only"
                checked={kind === choice.kind}
                onChange={() => setKind(choice.kind)}
              />
              {choice.icon}
              <span>
                <span className="block font-medium">{choice.label}</span>
                <span className="block text-xs text-muted">{choice.hint}</span>
              </span>
            </label>
          ))}
        </fieldset>
        {kind === 'git' && (
          <>
            <TextField
              label="URL"
              type="url"
              placeholder="https://…"
              value={url}
              onChange={(event) => setUrl(event.target.value)}
            />
            <TextField
              label="Branch, tag or commit"
              hint="Left out: the default branch"
              value={ref}
              onChange={(event) => setRef(event.target.value)}
            />
            <TokenField url={url.trim()} value={token} onChange={setToken} />
          </>
        )}
        {kind === 'files' && <UploadFields upload={upload} onChoose={(event) => void choose(event)} />}
        <TextField
          label="Name"
          placeholder={nameFor(kind, url.trim())}
          maxLength={200}
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        {error !== undefined && <FaultNote>{error}</FaultNote>}
        <footer className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" isBusy={isBusy} disabled={source === null}>
            Make the project
          </Button>
        </footer>
      </form>
    </Dialog>
  )
}

/** Stores the token first, and not when the project could not be made. Throws `ApiFault`. */
async function makeWithToken(name: string, source: ProjectSource, token: string): Promise<Project> {
  const host = source.kind === 'git' ? hostOfUrl(source.url) : null
  if (source.kind !== 'git' || token === '' || host === null) return await makeProject(name, source)
  const { id } = await api.addCredential({ kind: 'git', host, value: token })
  try {
    return await makeProject(name, { ...source, credentialId: id })
  } catch (failure) {
    await api.deleteCredential(id)
    throw failure
  }
}

function UploadFields({
  upload,
  onChoose,
}: {
  upload: Upload | null
  onChoose: (event: ChangeEvent<HTMLInputElement>) => void
}) {
  const count = upload === null ? 0 : Object.keys(upload.files).length
  const style =
    'flex h-8 cursor-pointer items-center gap-1.5 rounded-md border border-line-strong px-3 text-sm font-medium hover:bg-hover has-focus-visible:outline-2 has-focus-visible:outline-accent'
  return (
    <div className="flex flex-col gap-2">
      <div className="flex gap-2">
        <label className={style}>
          <FolderUp className="size-4" /> Choose a folder
          <input type="file" className="sr-only" onChange={onChoose} {...{ webkitdirectory: '' }} />
        </label>
        <label className={style}>
          <FileUp className="size-4" /> Choose files
          <input type="file" className="sr-only" multiple onChange={onChoose} />
        </label>
      </div>
      {upload !== null && (
        <p className="text-xs text-muted">
          {formatPlural(count, 'file')} chosen
          {upload.leftOut.length > 0 && (
            <>
              ; left out:{' '}
              {upload.leftOut
                .slice(0, 3)
                .map(({ path, why }) => `${path} (${why})`)
                .join(', ')}
              {upload.leftOut.length > 3 && ` and ${upload.leftOut.length - 3} more`}
            </>
          )}
        </p>
      )}
    </div>
  )
}

function sourceOf(
  kind: Kind,
  { url, ref, upload }: { url: string; ref: string; upload: Upload | null },
): ProjectSource | null {
  switch (kind) {
    case 'sample':
    case 'empty':
      return { kind }
    case 'git':
      return url === '' ? null : { kind, url, ...(ref === '' ? {} : { ref }) }
    case 'files':
      return upload === null || Object.keys(upload.files).length === 0 ? null : { kind, files: upload.files }
  }
}

function nameFor(kind: Kind, url: string): string {
  if (kind === 'git')
    return (
      url
        .split('/')
        .at(-1)
        ?.replace(/\.git$/, '') || 'Repository'
    )
  return kind === 'sample' ? 'tabsplit (sample)' : kind === 'files' ? 'My files' : 'New project'
}
