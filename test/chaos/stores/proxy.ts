import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/**
 * - clear: passes everything on at once
 * - slow: holds each piece back for a random time of up to 120 ms, in each direction
 * - lossy: the same up to 30 ms, and every connection is reset after a random time of up to three seconds
 * - stalled: connections are taken and stay open, and nothing passes
 */
export type Weather = 'clear' | 'slow' | 'lossy' | 'stalled'

export interface Proxy {
  readonly port: number
  set(weather: Weather): void
  close(): void
}

const MAX_DELAY_MS: Record<Weather, number> = { clear: 0, slow: 120, lossy: 30, stalled: 0 }
const MAX_LIFE_MS = 3_000

/** A TCP proxy on the loopback interface in front of `targetPort`, whose network can get worse. */
export async function openProxy(targetPort: number): Promise<Proxy> {
  const links = new Set<Link>()
  let weather: Weather = 'clear'
  const server = createServer((near) => {
    const link = new Link(
      near,
      targetPort,
      () => weather,
      () => links.delete(link),
    )
    links.add(link)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    set(next) {
      weather = next
      for (const link of links) link.weatherChanged()
    },
    close() {
      server.close()
      for (const link of links) link.reset()
    },
  }
}

/** One connection, both ways. Pieces of a direction never overtake each other. */
class Link {
  readonly #near: Socket
  readonly #far: Socket
  readonly #weather: () => Weather
  readonly #onEnd: () => void
  #life: NodeJS.Timeout | undefined

  constructor(near: Socket, targetPort: number, weather: () => Weather, onEnd: () => void) {
    this.#near = near
    this.#far = connect(targetPort, '127.0.0.1')
    this.#weather = weather
    this.#onEnd = onEnd
    this.#pipe(this.#near, this.#far)
    this.#pipe(this.#far, this.#near)
    this.weatherChanged()
  }

  weatherChanged(): void {
    clearTimeout(this.#life)
    const weather = this.#weather()
    for (const socket of [this.#near, this.#far]) {
      if (weather === 'stalled') socket.pause()
      else socket.resume()
    }
    if (weather === 'lossy') this.#life = setTimeout(() => this.reset(), Math.random() * MAX_LIFE_MS)
  }

  reset(): void {
    clearTimeout(this.#life)
    this.#near.resetAndDestroy()
    this.#far.resetAndDestroy()
    this.#onEnd()
  }

  #pipe(from: Socket, to: Socket): void {
    let last = Promise.resolve()
    from.setNoDelay(true)
    from.on('error', () => this.reset())
    from.on('close', () => {
      void last.then(() => to.destroySoon())
      this.#onEnd()
    })
    from.on('data', (piece: Buffer) => {
      const delayMs = Math.random() * MAX_DELAY_MS[this.#weather()]
      if (delayMs === 0 && this.#weather() === 'clear') {
        last = last.then(() => void to.write(piece))
        return
      }
      const due = new Promise<void>((resolve) => setTimeout(resolve, delayMs))
      last = last.then(() => due).then(() => void to.write(piece))
    })
  }
}
