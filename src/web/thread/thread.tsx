import { ArrowDown } from 'lucide-react'
import { memo, type ReactNode, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { Virtualizer, type VirtualizerHandle } from 'virtua'
import type { PanelTarget } from '../panels/panel.ts'
import { useMessages, useView, useWorkspaceStore } from '../store/use-view.ts'
import { Button } from '../ui/button.tsx'
import { Skeleton } from '../ui/spinner.tsx'
import { ErrorState } from '../ui/states.tsx'
import { MessageRow } from './message-row.tsx'
import { OutgoingRow } from './outgoing-row.tsx'
import { earlierRows, rowsOf, type ThreadRow } from './rows.ts'
import { StatusRegion } from './status-region.tsx'

interface ThreadProps {
  readonly conversationId: string
  readonly navigate: (target: PanelTarget) => void
  /** A turn to stand at, from the address. */
  readonly turn: number | null
  readonly empty: ReactNode
}

/** Nearer to the end than this one reads the end, and stays there while it grows. */
const NEAR_END_PX = 60
/** A scroll this soon after a key, a wheel, a finger or a press is the reader's. */
const GESTURE_MS = 500
/** More new rows than these come from a past that is caught up with. */
const FEW_ROWS = 5

/** The conversation. Only what is in sight is drawn; while one reads further up nothing moves the text away. */
export const Thread = memo(function Thread({ conversationId, navigate, turn, empty }: ThreadProps) {
  const store = useWorkspaceStore()
  useEffect(() => store.openConversation(conversationId), [store, conversationId])
  const messages = useMessages(conversationId)
  const history = useView((state) => state.histories[conversationId])
  const outgoing = useView((state) => state.outgoing)
  const own = useMemo(
    () => outgoing.filter((message) => message.conversationId === conversationId),
    [outgoing, conversationId],
  )
  const { rows, grewAtStart } = useRows(messages)
  const scroll = useFollowedEnd(rows.length)
  const { toIndex } = scroll
  const turnIndex = turn === null ? -1 : rows.findLastIndex((row) => row.message.turn === turn)
  const turnMessageId = rows[turnIndex]?.message.id
  const shownTurn = useRef<string | undefined>(undefined)
  useEffect(() => {
    // Once for each: earlier messages that come in later move its index and not the reader.
    if (turnMessageId !== undefined && turnMessageId !== shownTurn.current) toIndex(turnIndex)
    shownTurn.current = turnMessageId
  }, [turnMessageId, turnIndex, toIndex])

  const isEmpty = rows.length === 0 && own.length === 0
  if (isEmpty && history?.status === 'failed') {
    return <ErrorState error={history.error} onRetry={() => store.openConversation(conversationId)} />
  }
  if (isEmpty && history?.status !== 'ready') return <Skeleton lines={5} label="Loading the conversation" />
  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroll.ref}
        onScroll={scroll.onScroll}
        {...scroll.gestures}
        role="log"
        aria-label="Conversation"
        aria-live="off"
        tabIndex={0}
        className="absolute inset-0 overflow-y-auto overscroll-contain [overflow-anchor:none] focus-visible:-outline-offset-2"
      >
        <div ref={scroll.contentRef} className="flex min-h-full flex-col pt-4 pb-4">
          {isEmpty && <div className="flex flex-1 flex-col justify-center">{empty}</div>}
          {/* By a function: of a thousand rows only those in sight become elements, each time one of them changes. */}
          <Virtualizer ref={scroll.listRef} scrollRef={scroll.ref} startMargin={16} shift={grewAtStart} data={rows}>
            {(row) => <MessageRow key={row.message.id} row={row} navigate={navigate} />}
          </Virtualizer>
          {own.map((message) => (
            <OutgoingRow key={message.clientMessageId} message={message} />
          ))}
        </div>
      </div>
      {!isEmpty && history?.status === 'failed' && !history.isWhole && (
        <div role="alert" className="absolute top-3 left-1/2 -translate-x-1/2">
          <Button
            size="small"
            onClick={() => store.openConversation(conversationId)}
            className="rounded-full shadow-pop"
          >
            Earlier messages are missing: read again
          </Button>
        </div>
      )}
      {!scroll.isAtEnd && (
        <Button
          size="small"
          icon={<ArrowDown className="size-3.5" />}
          onClick={scroll.toEnd}
          className="absolute bottom-3 left-1/2 -translate-x-1/2 rounded-full shadow-pop"
        >
          Latest
        </Button>
      )}
      <StatusRegion conversationId={conversationId} />
    </div>
  )
})

interface Rows {
  readonly rows: readonly ThreadRow[]
  /** Earlier messages came in before what was there: what one reads must stay in its place. */
  readonly grewAtStart: boolean
}

function useRows(messages: Parameters<typeof rowsOf>[0]): Rows {
  const known = useRef<readonly ThreadRow[]>([])
  return useMemo(() => {
    const grewAtStart = earlierRows(messages, known.current) > 0
    known.current = rowsOf(messages, known.current)
    return { rows: known.current, grewAtStart }
  }, [messages])
}

/** Stays at the end while one reads there: when rows come, when the last one grows, when the region is resized. */
function useFollowedEnd(rowCount: number) {
  const ref = useRef<HTMLDivElement>(null)
  const contentRef = useRef<HTMLDivElement>(null)
  const listRef = useRef<VirtualizerHandle>(null)
  const follows = useRef(true)
  const [isAtEnd, setAtEnd] = useState(true)

  const stick = useCallback(() => {
    const element = ref.current
    if (element !== null && follows.current) element.scrollTop = element.scrollHeight
  }, [])
  const knownCount = useRef(rowCount)
  useLayoutEffect(() => {
    // Asking for the height here lays out at once. For many rows that is left to the observer, which comes behind the layout.
    if (Math.abs(rowCount - knownCount.current) <= FEW_ROWS) stick()
    knownCount.current = rowCount
  }, [stick, rowCount])
  useEffect(() => {
    const content = contentRef.current
    const element = ref.current
    if (content === null || element === null) return
    const observer = new ResizeObserver(stick)
    observer.observe(content)
    observer.observe(element)
    return () => observer.disconnect()
  }, [stick, rowCount === 0])

  const last = useRef({ top: 0, height: 0 })
  const gestureAt = useRef(Number.NEGATIVE_INFINITY)
  const gestures = useMemo(() => {
    const note = (): void => {
      gestureAt.current = performance.now()
    }
    return { onWheel: note, onTouchMove: note, onKeyDown: note, onPointerDown: note }
  }, [])
  const onScroll = useCallback(() => {
    const element = ref.current
    if (element === null) return
    const { scrollTop, scrollHeight, clientHeight } = element
    const distance = scrollHeight - scrollTop - clientHeight
    // Only a move upwards is a wish to read there; rows that grow move the end away, not the reader. Where the height changed as
    // well, rows that were measured have moved the text, unless the reader's hand was there.
    const isReaders = performance.now() - gestureAt.current < GESTURE_MS || scrollHeight === last.current.height
    if (distance < NEAR_END_PX) follows.current = true
    else if (scrollTop < last.current.top && isReaders) follows.current = false
    else stick()
    last.current = { top: element.scrollTop, height: scrollHeight }
    setAtEnd(follows.current || distance < NEAR_END_PX)
  }, [stick])

  const toEnd = useCallback(() => {
    follows.current = true
    setAtEnd(true)
    stick()
  }, [stick])
  const toIndex = useCallback((index: number) => {
    follows.current = false
    listRef.current?.scrollToIndex(index, { align: 'start' })
  }, [])
  return { ref, contentRef, listRef, onScroll, gestures, isAtEnd, toEnd, toIndex }
}
