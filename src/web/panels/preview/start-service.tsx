import { Play } from 'lucide-react'
import { type FormEvent, useState } from 'react'
import { api } from '../../api/client.ts'
import type { ApiService } from '../../api/types.ts'
import { useQuery } from '../../api/use-query.ts'
import { Button } from '../../ui/button.tsx'
import { TextField } from '../../ui/field.tsx'
import { showFault } from '../../ui/toast.tsx'

interface StartServiceProps {
  readonly projectId: string
  /** Nothing was started yet: the form is open. */
  readonly isFirst: boolean
  onStarted(service: ApiService): void
}

/** One of the environment's services by its name, or any command. */
export function StartService({ projectId, isFirst, onStarted }: StartServiceProps) {
  const environment = useQuery(`services-of:${projectId}`, (signal) => api.getEnvironment(projectId, signal))
  const [command, setCommand] = useState('')
  const [port, setPort] = useState('')
  const [isBusy, setBusy] = useState(false)
  const start = async (given: { name?: string; command?: string; port?: number }): Promise<void> => {
    setBusy(true)
    try {
      onStarted(await api.startService(projectId, given))
      setCommand('')
      setPort('')
    } catch (error) {
      showFault(error)
    } finally {
      setBusy(false)
    }
  }
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault()
    if (command.trim() !== '') void start({ command, ...(port === '' ? {} : { port: Number(port) }) })
  }
  return (
    <details open={isFirst} className="border-b border-line px-3 py-2">
      <summary className="cursor-pointer text-sm font-medium">Start a service</summary>
      <form onSubmit={onSubmit} className="mt-2 flex flex-wrap items-end gap-2">
        <div className="min-w-40 flex-1">
          <TextField
            label="Command"
            value={command}
            placeholder="npm run dev"
            className="font-mono"
            spellCheck={false}
            maxLength={10_000}
            onChange={(event) => setCommand(event.target.value)}
          />
        </div>
        <div className="w-28">
          <TextField
            label="Port, if known"
            value={port}
            inputMode="numeric"
            pattern="[0-9]{1,5}"
            onChange={(event) => setPort(event.target.value)}
          />
        </div>
        <Button type="submit" look="primary" isBusy={isBusy} icon={<Play className="size-4" />}>
          Start
        </Button>
      </form>
      {(environment.value?.services ?? []).length > 0 && (
        <div className="mt-2 flex flex-wrap gap-1.5">
          {environment.value?.services.map(({ name }) => (
            <Button key={name} size="small" disabled={isBusy} onClick={() => void start({ name })}>
              {`Start ${name}`}
            </Button>
          ))}
        </div>
      )}
    </details>
  )
}
