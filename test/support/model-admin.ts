import type { Fault } from '../../src/standin/faults.ts'
import type { JournalEntry } from '../../src/standin/request-journal.ts'
import type { WireRequest } from '../../src/standin/wire.ts'

/** The scripted model's back door. */
export class ModelAdmin {
  readonly #baseUrl: () => string

  constructor(baseUrl: () => string) {
    this.#baseUrl = baseUrl
  }

  /** The calls that were made for one task, or all. */
  async calls(taskId?: string): Promise<readonly JournalEntry[]> {
    const { items } = await this.#call<{ items: JournalEntry[] }>('GET', 'journal')
    return items.filter((entry) => taskId === undefined || entry.taskId === taskId)
  }

  /** The request bodies of one task's calls, oldest first. */
  async bodies(taskId: string): Promise<readonly WireRequest[]> {
    const { items } = await this.#call<{ items: WireRequest[] }>('GET', 'bodies')
    return items.filter((body) => body.metadata?.user_id === taskId)
  }

  async arm(...faults: readonly Fault[]): Promise<void> {
    await this.#call('POST', 'faults', faults)
  }

  /** Takes back whatever is armed. */
  async disarm(): Promise<void> {
    await this.#call('DELETE', 'faults')
  }

  async pace(pace: { ttftMs?: number; tokensPerSecond?: number }): Promise<void> {
    await this.#call('POST', 'pace', pace)
  }

  async #call<T>(method: string, name: string, body?: object): Promise<T> {
    const response = await fetch(`${this.#baseUrl()}/_keelson/${name}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${method} ${name}: ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }
}

interface ScriptedTurn {
  readonly text?: string
  readonly thinking?: string
  readonly tools?: readonly { readonly name: string; readonly input: object }[]
  readonly repeat?: number
  readonly delayMs?: number
}

/** A message that tells the scripted model what to do, turn by turn. */
export function scriptOf(turns: readonly ScriptedTurn[], reviews?: readonly object[]): string {
  return `script: ${JSON.stringify({ turns, ...(reviews === undefined ? {} : { reviews }) })}`
}

/** A turn that runs one command. */
export function running(command: string, more: Partial<ScriptedTurn> = {}): ScriptedTurn {
  return { ...more, tools: [{ name: 'bash', input: { command } }] }
}
