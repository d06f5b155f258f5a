import { createClient } from 'redis'
import { LIVE_SCRIPTS } from './live-script.ts'

/** What the publisher and the hub log; pino fits. */
export interface EventsLog {
  warn(fields: object, message: string): void
  info(fields: object, message: string): void
}

/** Commands that wait for an answer at most; more are refused at once. */
const MAX_QUEUED_COMMANDS = 2_000

/**
 * A Redis client that knows our scripts. It connects in the background and again after every loss, refuses commands at
 * once while it is away, and never throws from an event. Call `connect` once and `destroy` at the end.
 */
export function createLiveRedis(options: { url: string; name: string; log: EventsLog }) {
  const client = createClient({
    url: options.url,
    name: options.name,
    scripts: LIVE_SCRIPTS,
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_QUEUED_COMMANDS,
    maintNotifications: 'disabled',
    socket: {
      connectTimeout: 2_000,
      reconnectStrategy: (retries) => Math.min(50 * 2 ** Math.min(retries, 5), 1_000) + Math.floor(Math.random() * 100),
    },
  })
  let wasReady = true
  client.on('error', (error: unknown) => {
    // A lost Redis reports itself at every attempt to reconnect; one line each time it goes is enough.
    if (wasReady) options.log.warn({ err: error, client: options.name }, 'redis is away')
    wasReady = false
  })
  client.on('ready', () => {
    if (!wasReady) options.log.info({ client: options.name }, 'redis is back')
    wasReady = true
  })
  return client
}

/** The client that {@link createLiveRedis} makes. */
export type LiveRedis = ReturnType<typeof createLiveRedis>

/** Begins to connect without waiting; failures are the client's `error` events. */
export function connectInBackground(client: LiveRedis): void {
  client.connect().catch(() => undefined)
}

/** Settles like `work`, or rejects after `timeoutMs`: node-redis itself waits for a frozen server without end. */
export async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    return await Promise.race([work, deadline])
  } finally {
    clearTimeout(timer)
  }
}
