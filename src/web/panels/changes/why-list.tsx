import { CornerDownRight } from 'lucide-react'
import { useMemo } from 'react'
import type { FileView, MessageView } from '../../state.ts'
import { useMessages } from '../../store/use-view.ts'
import { revealReordering } from '../../text/reveal-hidden.ts'

/** More turns than these are told by their number alone. */
const MAX_SHOWN = 5
const MAX_CHARACTERS = 160

/** Why a file changed: the turns that touched it, with what the agent said then. Each leads to its turn in the thread. */
export function WhyList({
  file,
  taskId,
  conversationId,
  onTurn,
}: {
  file: FileView
  taskId: string
  conversationId: string
  onTurn: (turn: number) => void
}) {
  const messages = useMessages(conversationId)
  const said = useMemo(() => saidIn(messages, taskId), [messages, taskId])
  if (file.turns.length === 0) return null
  const shown = file.turns.slice(-MAX_SHOWN)
  const left = file.turns.length - shown.length
  return (
    <ul aria-label={`Why ${file.path} changed`} className="border-t border-line bg-raised px-3 py-1 text-xs">
      {left > 0 && <li className="py-0.5 text-faint">{`${left} earlier turns touched it too`}</li>}
      {shown.map((turn) => (
        <li key={turn}>
          <button
            type="button"
            onClick={() => onTurn(turn)}
            className="group flex w-full min-w-0 items-center gap-1.5 rounded py-0.5 text-left text-muted"
          >
            <CornerDownRight aria-hidden="true" className="size-3 shrink-0 text-faint" />
            <span className="shrink-0 font-medium group-hover:underline">{`Turn ${turn}`}</span>
            <span className="min-w-0 truncate">{revealReordering(said.get(turn) ?? '')}</span>
          </button>
        </li>
      ))}
    </ul>
  )
}

/** The first words of each turn. */
function saidIn(messages: readonly MessageView[], taskId: string): ReadonlyMap<number, string> {
  const said = new Map<number, string>()
  for (const { taskId: owner, role, turn, parts } of messages) {
    if (owner !== taskId || role !== 'assistant') continue
    const text = parts.find((part) => part.type === 'text')
    if (text?.type === 'text') said.set(turn, firstSentence(text.text))
  }
  return said
}

function firstSentence(text: string): string {
  const line = text.trim().split('\n', 1)[0] ?? ''
  return line.length > MAX_CHARACTERS ? `${line.slice(0, MAX_CHARACTERS)}…` : line
}
