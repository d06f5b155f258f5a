import { ArrowUp, AtSign, Square } from 'lucide-react'
import { type KeyboardEvent, useCallback, useEffect, useId, useLayoutEffect, useRef, useState } from 'react'
import type { Budget, Instance } from '../api/types.ts'
import { useStored } from '../shell/stored.ts'
import { useView, useWorkspaceStore } from '../store/use-view.ts'
import { IconButton } from '../ui/icon-button.tsx'
import { Select } from '../ui/select.tsx'
import { newClientMessageId } from './client-message-id.ts'
import { insertMention } from './mention.ts'
import { MentionList } from './mention-list.tsx'
import { useDraft } from './use-draft.ts'
import { useMentions } from './use-mentions.ts'
import { useStop } from './use-stop.ts'

const MAX_CHARACTERS = 100_000
const MAX_HEIGHT_PX = 260
const STOP_ASKED_MS = 3_000

const BUDGETS = {
  standard: { label: 'Standard budget', budget: undefined },
  small: { label: 'At most $0.25', budget: { maxUsd: 0.25 } },
  medium: { label: 'At most $1', budget: { maxUsd: 1 } },
  large: { label: 'At most $5', budget: { maxUsd: 5 } },
  turns: { label: 'At most 10 turns', budget: { maxTurns: 10 } },
  minutes: { label: 'At most 10 minutes', budget: { maxMinutes: 10 } },
} as const satisfies Record<string, { label: string; budget: Budget | undefined }>

type BudgetChoice = keyof typeof BUDGETS
type Delivery = 'steer' | 'queue'

interface ComposerProps {
  readonly projectId: string
  /** Null for a conversation that its first message will make. */
  readonly conversationId: string | null
  readonly instance: Instance
  /** Sends; resolves when it stands in the thread. */
  readonly onSend: (message: ComposedMessage) => void
}

/** What was written, as it is to be sent; model and budget only where they are not the usual ones. */
export interface ComposedMessage {
  readonly text: string
  readonly delivery: Delivery
  readonly clientMessageId: string
  readonly model?: string
  readonly budget?: Budget
}

/** Where one writes. Enter sends, Shift+Enter breaks the line, Escape twice stops, Up takes back what could not be sent. */
export function Composer({ projectId, conversationId, instance, onSend }: ComposerProps) {
  const store = useWorkspaceStore()
  const [text, setText] = useDraft(`${projectId}.${conversationId ?? 'new'}`)
  const [caret, setCaret] = useState(0)
  const [delivery, setDelivery] = useState<Delivery>('steer')
  const [storedModel, setModel] = useStored('model')
  const [budget, setBudget] = useState<BudgetChoice>('standard')
  const field = useRef<HTMLTextAreaElement>(null)
  const listId = useId()
  const mentions = useMentions(projectId, text, caret)
  const { taskId, isStopping, stop } = useStop(conversationId)
  const failed = useView((state) =>
    state.outgoing.findLast((message) => message.status === 'failed' && message.conversationId === conversationId),
  )
  const [isStopAsked, askStop] = useTimed(STOP_ASKED_MS)
  const model = instance.models.some(({ id }) => id === storedModel) ? (storedModel ?? '') : instance.model.name

  useLayoutEffect(() => {
    const element = field.current
    if (element === null) return
    element.style.height = 'auto'
    element.style.height = `${Math.min(MAX_HEIGHT_PX, element.scrollHeight)}px`
  }, [text])

  const givenBack = useView((state) => state.givenBack)
  useEffect(() => {
    if (givenBack === null || givenBack.conversationId !== conversationId) return
    store.giveBack(null)
    if (text === '') setText(givenBack.text)
    // The button that gave it back is gone, and the focus with it.
    field.current?.focus()
  }, [givenBack, conversationId, store, text, setText])

  const isTooLong = text.length > MAX_CHARACTERS
  const canSend = text.trim() !== '' && !isTooLong
  const send = (): void => {
    if (!canSend) return
    const chosen = BUDGETS[budget].budget
    onSend({
      text: text.trim(),
      delivery: taskId === null ? 'steer' : delivery,
      clientMessageId: newClientMessageId(),
      ...(model === instance.model.name ? {} : { model }),
      ...(chosen === undefined ? {} : { budget: chosen }),
    })
    setText('')
    setBudget('standard')
    field.current?.focus()
  }

  const pick = (path: string): void => {
    if (mentions.mention === null) return
    const next = insertMention(text, mentions.mention, path)
    setText(next.text)
    setCaret(next.caret)
    requestAnimationFrame(() => field.current?.setSelectionRange(next.caret, next.caret))
  }

  const onMentionKey = (event: KeyboardEvent): boolean => {
    if (mentions.mention === null) return false
    const { length } = mentions.paths
    if (event.key === 'ArrowDown') mentions.setActive((mentions.active + 1) % length)
    else if (event.key === 'ArrowUp') mentions.setActive((mentions.active + length - 1) % length)
    else if (event.key === 'Escape') mentions.dismiss()
    else if (event.key === 'Enter' || event.key === 'Tab') pick(mentions.paths[mentions.active] ?? '')
    else return false
    event.preventDefault()
    return true
  }

  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    if (event.nativeEvent.isComposing || onMentionKey(event)) return
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault()
      send()
    } else if (event.key === 'Escape' && taskId !== null && !isStopping) {
      event.preventDefault()
      if (isStopAsked) stop()
      else askStop()
    } else if (event.key === 'ArrowUp' && text === '' && failed !== undefined) {
      event.preventDefault()
      setText(failed.text)
      store.forgetOutgoing(failed.clientMessageId)
    }
  }

  const insertAt = (): void => {
    const before = text.slice(0, caret)
    const glue = before === '' || /\s$/.test(before) ? '@' : ' @'
    setText(before + glue + text.slice(caret))
    setCaret(caret + glue.length)
    field.current?.focus()
    requestAnimationFrame(() => field.current?.setSelectionRange(caret + glue.length, caret + glue.length))
  }

  return (
    <div className="shrink-0 px-3 pb-3">
      <form
        className="relative mx-auto w-full max-w-3xl rounded-2xl border border-line-strong bg-surface shadow-sm focus-within:border-accent"
        onSubmit={(event) => {
          event.preventDefault()
          send()
        }}
      >
        {mentions.mention !== null && (
          <MentionList id={listId} paths={mentions.paths} active={mentions.active} onPick={pick} />
        )}
        <textarea
          ref={field}
          rows={1}
          value={text}
          id="composer"
          dir="auto"
          aria-label="Message to the agent"
          aria-autocomplete="list"
          aria-controls={mentions.mention === null ? undefined : listId}
          aria-activedescendant={mentions.mention === null ? undefined : `${listId}-${mentions.active}`}
          placeholder={
            taskId === null ? 'Ask for a change, or a question about the project' : 'Say something to the agent'
          }
          onChange={(event) => {
            setText(event.target.value)
            setCaret(event.target.selectionStart)
          }}
          onSelect={(event) => setCaret(event.currentTarget.selectionStart)}
          onKeyDown={onKeyDown}
          className="block w-full resize-none bg-transparent px-4 pt-3 pb-1 outline-none placeholder:text-faint"
        />
        <div className="flex items-center gap-1.5 px-2 pb-2">
          <IconButton
            label="Attach a file of the project"
            size="small"
            icon={<AtSign className="size-4" />}
            onClick={insertAt}
          />
          {taskId === null && (
            <Select
              label="Model"
              isLabelHidden
              size="small"
              value={model}
              options={instance.models.map(({ id, name }) => ({ value: id, label: name }))}
              onChange={(id) => setModel(id)}
              className="max-w-40 min-w-0"
            />
          )}
          {taskId === null ? (
            <Select
              label="Budget"
              isLabelHidden
              size="small"
              value={budget}
              options={(Object.keys(BUDGETS) as BudgetChoice[]).map((id) => ({ value: id, label: BUDGETS[id].label }))}
              onChange={setBudget}
              className="hidden min-w-0 sm:flex"
            />
          ) : (
            <Select
              label="When the agent reads it"
              isLabelHidden
              size="small"
              value={delivery}
              options={[
                { value: 'steer', label: 'Steer now' },
                { value: 'queue', label: 'When done' },
              ]}
              onChange={setDelivery}
            />
          )}
          <p role="status" className="ml-auto min-w-0 truncate text-xs text-faint">
            {isTooLong && (
              <span className="text-bad">
                Too long by {(text.length - MAX_CHARACTERS).toLocaleString('en-US')} characters
              </span>
            )}
            {isStopAsked && taskId !== null && !isStopping && 'Esc again stops the task'}
          </p>
          {taskId !== null && (
            <IconButton
              label={isStopping ? 'Stopping …' : 'Stop the task'}
              shortcut="Esc Esc"
              disabled={isStopping}
              onClick={stop}
              className="rounded-full border border-line-strong"
              icon={<Square className="size-3.5 fill-current" />}
            />
          )}
          <IconButton
            label="Send"
            shortcut="Enter"
            type="submit"
            disabled={!canSend}
            className="rounded-full bg-accent text-on-accent hover:bg-accent-strong hover:text-on-accent disabled:bg-hover disabled:text-faint"
            icon={<ArrowUp className="size-4" />}
          />
        </div>
      </form>
    </div>
  )
}

/** True for a while after it was asked for. */
function useTimed(durationMs: number): readonly [boolean, () => void] {
  const [askedAt, setAskedAt] = useState(0)
  useEffect(() => {
    if (askedAt === 0) return
    const timer = setTimeout(() => setAskedAt(0), durationMs)
    return () => clearTimeout(timer)
  }, [askedAt, durationMs])
  return [askedAt !== 0, useCallback(() => setAskedAt(Date.now()), [])]
}
