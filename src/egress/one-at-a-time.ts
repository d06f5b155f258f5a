import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

type Handle = (asked: IncomingMessage, answer: ServerResponse) => Promise<void>

/** Requests of one connection that may wait for the one before them; with more the connection is ended. */
const MAX_WAITING = 64

/**
 * Makes a request listener that answers the requests of a connection one after the other: a client may send thousands at
 * once, and each would be a connection of its own on the way out. What `handle` rejects with ends the connection.
 */
export function oneAtATime(handle: Handle): (asked: IncomingMessage, answer: ServerResponse) => void {
  const lines = new WeakMap<Socket, { waiting: number; last: Promise<void> }>()
  return (asked, answer) => {
    const { socket } = asked
    const line = lines.get(socket) ?? { waiting: 0, last: Promise.resolve() }
    lines.set(socket, line)
    if (line.waiting >= MAX_WAITING) {
      socket.destroy()
      return
    }
    line.waiting += 1
    const closed = new Promise<void>((resolve) => answer.once('close', resolve))
    const serve = async (): Promise<void> => {
      if (!socket.destroyed) {
        await handle(asked, answer)
        await closed
      }
      line.waiting -= 1
    }
    line.last = line.last.then(serve).catch(() => {
      socket.destroy()
    })
  }
}
