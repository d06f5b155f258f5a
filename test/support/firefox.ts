import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'undici'
import { waitFor } from './wait-for.ts'

/** Where Firefox is; undefined where the tests' start found none and could not install one. */
export const FIREFOX_PATH = process.env['KEELSON_TEST_FIREFOX']

/** Why its tests are skipped where there is none. */
export const NO_FIREFOX = 'this machine cannot run them: install Firefox (sudo apt-get install -y firefox-esr)'

const START_MS = 60_000
const CALL_MS = 30_000
const STOP_MS = 10_000
const ENTER = '\uE007'

/** A profile that asks nothing, tells nobody anything and shows pages in the dark theme. */
const PREFERENCES = {
  'layout.css.prefers-color-scheme.content-override': 0,
  'browser.shell.checkDefaultBrowser': false,
  'browser.aboutwelcome.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'datareporting.policy.dataSubmissionPolicyBypassNotification': true,
  'toolkit.telemetry.reportingpolicy.firstRun': false,
  'app.normandy.enabled': false,
  'app.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
}

/** Runs in the page: whether what it is given comes true within a second. */
const LOOK = `async (isTrue) => {
  for (let looks = 0; looks < 20 && !isTrue(); looks++) await new Promise((resolve) => setTimeout(resolve, 50))
  return isTrue()
}`

interface Reply {
  readonly id?: number
  readonly type: 'success' | 'error' | 'event'
  readonly result?: unknown
  readonly message?: string
  readonly method?: string
  readonly params?: { readonly level?: string; readonly text?: string | null }
}

interface LocatedNodes {
  readonly nodes: readonly { readonly sharedId: string }[]
}

interface Evaluated {
  readonly type: 'success' | 'exception'
  readonly result?: { readonly value?: unknown }
  readonly exceptionDetails?: { readonly text: string }
}

/** One window of a Firefox without a screen, driven by WebDriver BiDi, which stock Firefox itself speaks. Whoever opens it closes it. */
export class FirefoxWindow {
  /** What the page said as an error or a warning. */
  readonly problems: string[] = []
  readonly #process: ChildProcess
  readonly #profile: string
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (reply: Reply) => void>()
  #lastId = 0
  #context = ''

  private constructor(process: ChildProcess, profile: string, socket: WebSocket) {
    this.#process = process
    this.#profile = profile
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#hear(JSON.parse(String(data)) as Reply))
  }

  static async open(path: string): Promise<FirefoxWindow> {
    const profile = mkdtempSync(join(tmpdir(), 'keelson-firefox-'))
    const lines = Object.entries(PREFERENCES).map(
      (entry) => `user_pref(${entry.map((part) => JSON.stringify(part)).join()});`,
    )
    writeFileSync(join(profile, 'user.js'), lines.join('\n'))
    const process = spawn(
      path,
      ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0', 'about:blank'],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: globalThis.process.env['PATH'], HOME: profile } },
    )
    try {
      const socket = new WebSocket(`${await addressOf(process)}/session`)
      await once(socket, 'open', { signal: AbortSignal.timeout(START_MS) })
      const window = new FirefoxWindow(process, profile, socket)
      await window.#begin()
      return window
    } catch (error) {
      process.kill('SIGKILL')
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
      throw error
    }
  }

  async goto(url: string): Promise<void> {
    await this.#send('browsingContext.navigate', { context: this.#context, url, wait: 'complete' })
  }

  /** What an expression comes to in the page; it is JSON that comes back. */
  async evaluate<Value>(expression: string): Promise<Value> {
    const { result, exceptionDetails } = await this.#send<Evaluated>('script.evaluate', {
      expression: `Promise.resolve(${expression}).then(JSON.stringify)`,
      target: { context: this.#context },
      awaitPromise: true,
    })
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.text)
    return JSON.parse(String(result?.value)) as Value
  }

  /** Waits until an expression is true in the page, which looks by itself: to be asked all the time would hold it up. */
  async until(expression: string, what: string, timeoutMs?: number): Promise<void> {
    try {
      await waitFor(() => this.evaluate<boolean>(`(${LOOK})(() => ${expression})`), what, timeoutMs)
    } catch (error) {
      const says = await this.evaluate<string>('document.body.innerText.slice(0, 2000)')
      throw new Error(`not seen in Firefox: ${what}; the page says: ${says}`, { cause: error })
    }
  }

  /** Clicks what has this role and this whole name for assistive technology, once it is there. */
  async click(role: string, name: string): Promise<void> {
    const locator = { type: 'accessibility', value: { role, name } }
    const node = await waitFor(async () => {
      const { nodes } = await this.#send<LocatedNodes>('browsingContext.locateNodes', {
        context: this.#context,
        locator,
      })
      return nodes[0]
    }, `${role} “${name}” is there`)
    const origin = { type: 'element', element: { sharedId: node.sharedId } }
    await this.#act({
      type: 'pointer',
      id: 'mouse',
      actions: [
        { type: 'pointerMove', x: 0, y: 0, origin },
        { type: 'pointerDown', button: 0 },
        { type: 'pointerUp', button: 0 },
      ],
    })
  }

  /** Types a line into what has the focus, and Enter behind it. */
  async typeLine(text: string): Promise<void> {
    const keys = [...text, ENTER].flatMap((value) => [
      { type: 'keyDown', value },
      { type: 'keyUp', value },
    ])
    await this.#act({ type: 'key', id: 'keyboard', actions: keys })
  }

  async close(): Promise<void> {
    const gone = once(this.#process, 'exit', { signal: AbortSignal.timeout(STOP_MS) })
    this.#process.kill()
    await gone.catch(() => this.#process.kill('SIGKILL'))
    this.#socket.close()
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 })
  }

  async #begin(): Promise<void> {
    await this.#send('session.new', { capabilities: {} })
    await this.#send('session.subscribe', { events: ['log.entryAdded'] })
    const { context } = await this.#send<{ context: string }>('browsingContext.create', { type: 'tab' })
    this.#context = context
    await this.#send('browsingContext.setViewport', { context, viewport: { width: 1440, height: 900 } })
  }

  async #act(source: object): Promise<void> {
    await this.#send('input.performActions', { context: this.#context, actions: [source] })
  }

  #hear(reply: Reply): void {
    if (reply.id !== undefined) {
      this.#waiting.get(reply.id)?.(reply)
      this.#waiting.delete(reply.id)
      return
    }
    const { level = '', text } = reply.params ?? {}
    if (reply.method === 'log.entryAdded' && ['error', 'warn'].includes(level)) this.problems.push(`${level}: ${text}`)
  }

  async #send<Result = unknown>(method: string, params: object): Promise<Result> {
    const id = ++this.#lastId
    const reply = await new Promise<Reply>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`Firefox did not answer ${method}`)), CALL_MS)
      this.#waiting.set(id, (answer) => {
        clearTimeout(timer)
        resolve(answer)
      })
      this.#socket.send(JSON.stringify({ id, method, params }))
    })
    if (reply.type === 'error') throw new Error(`${method}: ${reply.message}`)
    return reply.result as Result
  }
}

/** Where it listens, as it says itself once it does. */
async function addressOf(process: ChildProcess): Promise<string> {
  return await new Promise((resolve, reject) => {
    let said = ''
    const timer = setTimeout(() => reject(new Error(`Firefox did not start: ${said.slice(-500)}`)), START_MS)
    process.once('error', reject)
    process.once('exit', (code) => reject(new Error(`Firefox ended with ${code}: ${said.slice(-500)}`)))
    process.stderr?.setEncoding('utf8').on('data', (piece: string) => {
      said += piece
      const address = /WebDriver BiDi listening on (ws:\S+)/.exec(said)?.[1]
      if (address === undefined) return
      clearTimeout(timer)
      resolve(address)
    })
  })
}
