import { Bookmark } from 'lucide-react'
import { useState } from 'react'
import { api } from '../api/client.ts'
import { faultOf } from '../api/fault.ts'
import { useWorkspaceStore } from '../store/use-view.ts'
import { revealHidden } from '../text/reveal-hidden.ts'
import { Button } from '../ui/button.tsx'
import { showFault } from '../ui/toast.tsx'

interface Fact {
  readonly id: string
  readonly text: string
}

/** What a message made the project remember, each with a way to take it back. */
export function RememberedLine({ facts }: { facts: readonly Fact[] }) {
  return facts.map((fact) => <Remembered key={fact.id} fact={fact} />)
}

function Remembered({ fact }: { fact: Fact }) {
  const { projectId } = useWorkspaceStore().state
  const [state, setState] = useState<'known' | 'asked' | 'forgotten'>('known')
  const forget = (): void => {
    setState('asked')
    api.forgetFact(projectId, fact.id).then(
      () => setState('forgotten'),
      (error: unknown) => {
        const isGone = faultOf(error).code === 'not_found'
        setState(isGone ? 'forgotten' : 'known')
        if (!isGone) showFault(error)
      },
    )
  }
  return (
    <p className="flex items-center gap-2 px-2 py-0.5 text-xs text-faint [&>svg]:size-3.5 [&>svg]:shrink-0">
      <Bookmark aria-hidden="true" />
      <span className="min-w-0 break-words">
        {state === 'forgotten' ? 'Forgotten again' : 'The project remembers'}: {revealHidden(fact.text)}
      </span>
      {state !== 'forgotten' && (
        <Button size="small" disabled={state === 'asked'} onClick={forget}>
          Undo
        </Button>
      )}
    </p>
  )
}
