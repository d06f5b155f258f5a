import { type FormEvent, useState } from 'react'
import { faultOf } from '../api/fault.ts'
import { Button } from '../ui/button.tsx'
import { TextField } from '../ui/field.tsx'
import { signIn } from './session.ts'

/** The way in without a link: the API token. It is sent once and kept nowhere. */
export function SignInForm() {
  const [token, setToken] = useState('')
  const [error, setError] = useState<string | undefined>(undefined)
  const [isBusy, setBusy] = useState(false)
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    setBusy(true)
    setError(undefined)
    signIn(token.trim()).catch((fault: unknown) => {
      setError(faultOf(fault).message)
      setBusy(false)
    })
  }
  return (
    <form onSubmit={submit} className="mx-auto mt-4 flex w-full max-w-sm flex-col gap-2 text-left">
      <TextField
        label="API token"
        type="password"
        autoComplete="off"
        value={token}
        onChange={(event) => setToken(event.target.value)}
        hint="It lies in .keelson/api-token, or is what KEELSON_API_TOKEN was set to."
        error={error}
      />
      <Button type="submit" look="primary" isBusy={isBusy} disabled={token.trim() === ''}>
        Sign in
      </Button>
    </form>
  )
}
