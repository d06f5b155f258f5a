import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { StreamEvent } from '../../../src/events/topics.ts'

type Durable = Extract<StreamEvent, { seq: number }>

/** The page's side of the contract, as much as a store reads: one project whose events the test writes. */
export interface StandInServer {
  readonly url: string
  /** Frames that every open stream gets; durable ones are kept for later readers. */
  send(...events: readonly StreamEvent[]): void
  /** Ends all streams at once, as a lost connection does. */
  cut(): void
  /** While true, streams are refused. */
  blocksStreams: boolean
  /** While true, a task's own stream breaks off before its first frame. */
  breaksReplays: boolean
  /** While true, only the first page of messages is given; the others are given when it is false again. */
  holdsEarlierPages: boolean
  /** Paths with their queries. */
  readonly requests: string[]
  close(): Promise<void>
}

export interface Stored {
  readonly conversations: () => readonly object[]
  /** Oldest first. */
  readonly messages: () => readonly { readonly id: string }[]
  readonly task: () => object
}

/** As the server pages: `after` is a message id, in either order. */
function messagePage(messages: readonly { readonly id: string }[], query: URLSearchParams): object {
  const ordered = query.get('order') === 'newest' ? messages.toReversed() : messages
  const limit = Number(query.get('limit') ?? 50)
  const begin = query.has('after') ? ordered.findIndex(({ id }) => id === query.get('after')) + 1 : 0
  const items = ordered.slice(begin, begin + limit)
  return { items, nextAfter: begin + limit < ordered.length ? items.at(-1)?.id : null }
}

export async function startStandInServer(stored: Stored): Promise<StandInServer> {
  const log: Durable[] = []
  const streams = new Set<ServerResponse>()
  const requests: string[] = []
  const frame = (event: StreamEvent): string =>
    `${'seq' in event ? `id: ${event.seq}\n` : ''}event: x\ndata: ${JSON.stringify(event)}\n\n`
  const state = { blocksStreams: false, breaksReplays: false, holdsEarlierPages: false }
  const held: (() => void)[] = []

  const openStream = (response: ServerResponse, after: number, taskId: string | undefined): void => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`event: ping\ndata: {"at":0}\n\n`)
    const events = log.filter((event) => event.seq > after && (taskId === undefined || event.taskId === taskId))
    for (const event of events) response.write(frame(event))
    if (taskId !== undefined && events.some(({ type }) => type === 'task.completed')) {
      response.end()
      return
    }
    streams.add(response)
    response.on('close', () => streams.delete(response))
  }

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://stand-in')
    requests.push(`${url.pathname}${url.search}`)
    const json = (body: object): void => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    const page = (items: readonly object[]): void => json({ items, nextAfter: null })
    const { pathname } = url
    if (pathname.endsWith('/events')) {
      if (state.blocksStreams || (state.breaksReplays && pathname.includes('/tasks/'))) {
        response.destroy()
        return
      }
      const taskId = /tasks\/([^/]+)/.exec(pathname)?.[1]
      openStream(response, Number(url.searchParams.get('after') ?? 0), taskId)
    } else if (pathname === '/api/projects/p')
      json({ id: 'p', name: 'p', source: { kind: 'sample' }, latestSeq: log.at(-1)?.seq ?? 0 })
    else if (pathname.endsWith('/conversations')) page(stored.conversations())
    else if (pathname.endsWith('/messages')) {
      const answer = () => json(messagePage(stored.messages(), url.searchParams))
      if (state.holdsEarlierPages && url.searchParams.has('after')) held.push(answer)
      else answer()
    } else if (pathname.endsWith('/review')) json({ rounds: [] })
    else json(stored.task())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    send: (...events) => {
      for (const event of events) {
        if ('seq' in event) log.push(event)
        for (const stream of streams) stream.write(frame(event))
      }
    },
    cut: () => {
      for (const stream of streams) stream.destroy()
    },
    get blocksStreams() {
      return state.blocksStreams
    },
    set blocksStreams(blocks) {
      state.blocksStreams = blocks
    },
    get breaksReplays() {
      return state.breaksReplays
    },
    set breaksReplays(breaks) {
      state.breaksReplays = breaks
    },
    get holdsEarlierPages() {
      return state.holdsEarlierPages
    },
    set holdsEarlierPages(holds) {
      state.holdsEarlierPages = holds
      if (!holds) for (const answer of held.splice(0)) answer()
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
