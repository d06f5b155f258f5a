import { Brain, Info, X } from 'lucide-react'
import { memo, type ReactNode, useEffect, useState } from 'react'
import { api } from '../api/client.ts'
import type { PanelTarget } from '../panels/panel.ts'
import type { MessageView, RoundView, StepView, TaskView, TextPart, ToolPart } from '../state.ts'
import { useView, useWorkspaceStore } from '../store/use-view.ts'
import { isOverView, taskOf } from '../store/workspace-state.ts'
import { Markdown } from '../text/markdown.tsx'
import { revealReordering } from '../text/reveal-hidden.ts'
import { Badge } from '../ui/badge.tsx'
import { Button } from '../ui/button.tsx'
import { classNames } from '../ui/class-names.ts'
import { Expandable } from '../ui/expandable.tsx'
import { IconButton } from '../ui/icon-button.tsx'
import { showFault } from '../ui/toast.tsx'
import { EndCard } from './end-card.tsx'
import { RoundCard } from './round-card.tsx'
import type { ThreadRow } from './rows.ts'
import { StepLine } from './step-line.tsx'
import { TaskNow } from './task-now.tsx'
import { ToolLine } from './tool-line.tsx'

interface MessageRowProps {
  readonly row: ThreadRow
  readonly navigate: (target: PanelTarget) => void
}

/** A message, then what happened before the next one; behind a task's last message its end, or what it does now. */
export const MessageRow = memo(function MessageRow({ row, navigate }: MessageRowProps) {
  const store = useWorkspaceStore()
  const { message } = row
  const { taskId } = message
  useEffect(() => {
    if (taskId !== null) store.needTask(taskId)
  }, [store, taskId])
  return (
    <div className="mx-auto w-full max-w-3xl px-4 pb-2">
      {message.role === 'user' && <UserMessage message={message} isFirst={row.isFirstOfTask} />}
      {message.role === 'note' && <Note message={message} />}
      {message.role === 'assistant' && <AssistantMessage message={message} navigate={navigate} />}
      {taskId !== null && <Between taskId={taskId} row={row} navigate={navigate} />}
      {taskId !== null && row.isLastOfTask && <TaskTail taskId={taskId} navigate={navigate} />}
    </div>
  )
})

function UserMessage({ message, isFirst }: { message: MessageView; isFirst: boolean }) {
  const text = message.parts.map((part) => (part.type === 'tool' ? '' : part.text)).join('')
  // The message that begins a task waits for nothing; what holds it up stands below it.
  const isQueued = message.status === 'queued' && !isFirst
  return (
    <UserBubble
      text={text}
      badge={isQueued ? 'queued' : message.status === 'cancelled' ? 'not read' : null}
      action={isQueued && message.conversationId !== null && <RemoveQueued message={message} text={text} />}
    />
  )
}

/** Takes the message back before the agent reads it; its text then stands in the composer, if that is empty. */
function RemoveQueued({ message, text }: { message: MessageView; text: string }) {
  const store = useWorkspaceStore()
  const [isAsked, setAsked] = useState(false)
  const remove = (): void => {
    const { id, conversationId } = message
    if (conversationId === null) return
    setAsked(true)
    api.withdrawMessage(conversationId, id).then(
      () => store.giveBack({ conversationId, text }),
      (error: unknown) => {
        setAsked(false)
        showFault(error)
      },
    )
  }
  return (
    <IconButton
      label="Remove this queued message"
      size="small"
      icon={<X aria-hidden="true" className="size-3.5" />}
      disabled={isAsked}
      onClick={remove}
    />
  )
}

/** A person’s words; `badge` says where they stand on their way, `action` is what may be done about it. */
export function UserBubble({ text, badge, action = null }: { text: string; badge: string | null; action?: ReactNode }) {
  return (
    <div className="flex flex-col items-end gap-1 pt-3 pb-1">
      <div className="max-w-[88%] rounded-2xl rounded-br-md bg-accent-soft px-3.5 py-2 break-words whitespace-pre-wrap">
        <span className="sr-only">You: </span>
        <div dir="auto">{revealReordering(text)}</div>
      </div>
      {badge !== null && (
        <div className="flex items-center gap-1">
          <Badge tone="neutral">{badge}</Badge>
          {action}
        </div>
      )}
    </div>
  )
}

function Note({ message }: { message: MessageView }) {
  const text = message.parts.map((part) => (part.type === 'tool' ? '' : part.text)).join('')
  return (
    <p className="flex items-start gap-2 rounded-lg bg-sunken px-3 py-2 text-sm text-muted">
      <Info aria-hidden="true" className="mt-0.5 size-4 shrink-0" />
      <span dir="auto" className="min-w-0 break-words whitespace-pre-wrap">
        {revealReordering(text)}
      </span>
    </p>
  )
}

function AssistantMessage({ message, navigate }: { message: MessageView; navigate: (target: PanelTarget) => void }) {
  const texts = message.parts.filter((part): part is TextPart => part.type !== 'tool')
  const tools = message.parts.filter((part): part is ToolPart => part.type === 'tool')
  return (
    <div className="flex flex-col gap-1.5">
      {texts.map((part) =>
        part.type === 'thinking' ? (
          <Thinking key={part.partId} part={part} />
        ) : (
          <Markdown key={part.partId} text={part.text} isOpen={part.isOpen} />
        ),
      )}
      {tools.length > 0 && (
        <div role="group" aria-label={`Turn ${message.turn}: ${tools.length} tool calls`} className="-mx-2">
          {tools.map((tool) => (
            <ToolLine key={tool.toolUseId} tool={tool} taskId={message.taskId} navigate={navigate} />
          ))}
        </div>
      )}
      {message.status === 'cancelled' && texts.length > 0 && <p className="text-xs text-faint">(interrupted)</p>}
    </div>
  )
}

function Thinking({ part }: { part: TextPart }) {
  return (
    <Expandable
      className="-mx-2 text-xs text-faint"
      line={
        <>
          <Brain aria-hidden="true" className={classNames('size-3.5', part.isOpen && 'animate-breathe')} />
          {part.isOpen ? 'Thinking …' : 'Thought'}
        </>
      }
    >
      <div className="border-l-2 border-line pl-3 text-sm text-muted">
        <Markdown text={part.text} isOpen={part.isOpen} />
      </div>
    </Expandable>
  )
}

type Happening =
  | { readonly order: number; readonly step: StepView }
  | { readonly order: number; readonly round: RoundView }

/** Steps and rounds whose place is behind this row. */
function Between({
  taskId,
  row,
  navigate,
}: {
  taskId: string
  row: ThreadRow
  navigate: (target: PanelTarget) => void
}) {
  const happenings = useView((state) => happeningsOf(taskOf(state, taskId), row), isSameList)
  const isLive = useView((state) => {
    const task = taskOf(state, taskId)
    return task !== null && !isOverView(task)
  })
  if (happenings.length === 0) return null
  return (
    <div className="-mx-2 mt-1 flex flex-col">
      {happenings.map((happening) =>
        'step' in happening ? (
          <StepLine key={happening.order} step={happening.step} />
        ) : (
          <div key={happening.order} className="px-2">
            <RoundCard taskId={taskId} round={happening.round} isLive={isLive} navigate={navigate} />
          </div>
        ),
      )}
    </div>
  )
}

function happeningsOf(task: TaskView | null, row: ThreadRow): readonly Happening[] {
  if (task === null) return []
  // A task read by GET has no seqs: its rounds then stand behind its last message.
  const isPlaced = row.message.order !== null || row.message.status === 'streaming'
  const isHere = (order: number): boolean => (isPlaced ? order > row.after && order < row.before : row.isLastOfTask)
  const steps = task.steps.filter(({ order }) => isHere(order)).map((step): Happening => ({ order: step.order, step }))
  const rounds = task.rounds
    .filter(({ order }) => isHere(order))
    .map((round): Happening => ({ order: round.order, round }))
  return [...steps, ...rounds].sort((a, b) => a.order - b.order)
}

function isSameList(a: readonly Happening[], b: readonly Happening[]): boolean {
  return a.length === b.length && a.every((happening, index) => contentOf(happening) === contentOf(b[index]))
}

function contentOf(happening: Happening | undefined): StepView | RoundView | undefined {
  if (happening === undefined) return undefined
  return 'step' in happening ? happening.step : happening.round
}

function TaskTail({ taskId, navigate }: { taskId: string; navigate: (target: PanelTarget) => void }) {
  const store = useWorkspaceStore()
  const task = useView((state) => taskOf(state, taskId))
  const hasFailed = useView((state) => state.replays[taskId]?.status === 'failed')
  if (task === null && hasFailed) {
    return (
      <p role="alert" className="mt-2 flex flex-wrap items-center gap-2 text-sm text-muted">
        How this task went could not be read.
        <Button size="small" onClick={() => store.needTask(taskId)}>
          Try again
        </Button>
      </p>
    )
  }
  if (task === null) return null
  if (!isOverView(task)) return <TaskNow task={task} />
  return <EndCard task={task} navigate={navigate} />
}
