import { type KeyboardEvent, useEffect, useRef, useState } from 'react'
import { faultOf } from '../../api/fault.ts'
import { newClientMessageId } from '../../composer/client-message-id.ts'
import { useView, useWorkspaceStore } from '../../store/use-view.ts'
import { activeTaskIdOf } from '../../store/workspace-state.ts'
import { Button } from '../../ui/button.tsx'
import { INPUT_CLASS } from '../../ui/field.tsx'
import { showToast } from '../../ui/toast.tsx'
import { useBusy } from '../../ui/use-busy.ts'

interface CommentFormProps {
  /** What the form is about, for screen readers: "line 12 of src/a.ts". */
  readonly subject: string
  readonly conversationId: string
  /** What was typed so far; it is kept by whoever shows the form, which may be drawn anew at another place. */
  readonly typed: string
  onTyped(text: string): void
  /** The whole message for what was typed. */
  textFor(comment: string): string
  onClose(): void
}

/** A word on a line of the diff: it steers the task that runs, or begins one when the agent is idle. */
export function CommentForm({ subject, conversationId, typed, onTyped, textFor, onClose }: CommentFormProps) {
  const store = useWorkspaceStore()
  const isRunning = useView((state) => activeTaskIdOf(state, conversationId) !== null)
  const [failure, setFailure] = useState<string | null>(null)
  const [busy, attempt] = useBusy<'send'>()
  const field = useRef<HTMLTextAreaElement>(null)
  // The same words sent again are the same message, should the server have it already.
  const latest = useRef({ typed: '', clientMessageId: '' })
  useEffect(() => field.current?.focus(), [])

  const send = async (): Promise<void> => {
    if (typed.trim() === '') return
    setFailure(null)
    if (latest.current.typed !== typed) latest.current = { typed, clientMessageId: newClientMessageId() }
    const { clientMessageId } = latest.current
    const sent = await store.send({ text: textFor(typed), conversationId, delivery: 'steer', clientMessageId })
    if (sent !== null) {
      showToast(isRunning ? 'The agent reads it at its next turn.' : 'A task begins with your comment.')
      onClose()
      return
    }
    const failed = store.state.outgoing.find((message) => message.clientMessageId === clientMessageId)
    setFailure(faultOf(failed?.error).message)
    // What was typed stays here, so it need not stand in the thread as well.
    store.forgetOutgoing(clientMessageId)
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') onClose()
    else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void attempt('send', send)
    else return
    event.preventDefault()
  }
  return (
    <form
      aria-label={`Comment on ${subject}`}
      className="flex flex-col gap-2"
      onSubmit={(event) => {
        event.preventDefault()
        void attempt('send', send)
      }}
    >
      <textarea
        ref={field}
        rows={2}
        maxLength={50_000}
        aria-label={`Your comment on ${subject}`}
        placeholder={isRunning ? 'Tell the agent what is wrong here' : 'What should become of this line?'}
        value={typed}
        onChange={(event) => onTyped(event.target.value)}
        onKeyDown={onKeyDown}
        className={`${INPUT_CLASS} py-1.5`}
      />
      {failure !== null && (
        <p role="alert" className="text-sm text-bad">
          {failure}
        </p>
      )}
      <div className="flex flex-wrap items-center gap-2">
        <Button size="small" look="primary" type="submit" isBusy={busy === 'send'} disabled={typed.trim() === ''}>
          {isRunning ? 'Tell the agent now' : 'Start a task'}
        </Button>
        <Button size="small" look="quiet" onClick={onClose}>
          Cancel
        </Button>
        <span className="text-xs text-faint">Ctrl Enter sends</span>
      </div>
    </form>
  )
}
