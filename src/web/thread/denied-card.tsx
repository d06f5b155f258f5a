import { Unplug } from 'lucide-react'
import { useState } from 'react'
import { api } from '../api/client.ts'
import { VisibleText } from '../code/visible-text.tsx'
import { useWorkspaceStore } from '../store/use-view.ts'
import { Button } from '../ui/button.tsx'
import { showFault, showToast } from '../ui/toast.tsx'

/** A host that a command was refused, and the way for a person to allow it from now on. */
export function DeniedCard({ host, reason }: { host: string; reason: string }) {
  const { projectId } = useWorkspaceStore()
  const [state, setState] = useState<'refused' | 'saving' | 'allowed'>('refused')
  // What is no name, such as an address, cannot be allowed.
  const canAllow = /^[a-z0-9.-]+\.[a-z][a-z0-9-]*$/.test(host) && reason.includes('network policy')
  const allow = async (): Promise<void> => {
    setState('saving')
    try {
      const before = await api.getEnvironment(projectId)
      const { network, variables, services } = before
      const hosts = [...new Set([...network.hosts, host])]
      const policy = network.policy === 'open' ? 'open' : 'hosts'
      const commands = before.setup.commands.filter(({ source }) => source === 'custom')
      const setup = { enabled: before.setup.enabled, commands }
      await api.saveEnvironment(projectId, before.version, { network: { policy, hosts }, setup, variables, services })
      setState('allowed')
      showToast(`${host} is allowed for this project.`)
    } catch (error) {
      setState('refused')
      showFault(error)
    }
  }
  return (
    <section
      aria-label={`Network refused: ${host}`}
      className="mx-2 my-1 flex flex-wrap items-center gap-x-3 gap-y-1 rounded-xl border border-line bg-warn-soft px-3 py-2 text-sm"
    >
      <Unplug aria-hidden="true" className="size-4 shrink-0 text-warn" />
      <p className="min-w-0 flex-1 basis-52 break-words">
        <VisibleText text={reason} />
      </p>
      {canAllow && (
        <Button size="small" isBusy={state === 'saving'} disabled={state === 'allowed'} onClick={() => void allow()}>
          {state === 'allowed' ? 'Allowed' : 'Allow for this project'}
        </Button>
      )}
    </section>
  )
}
