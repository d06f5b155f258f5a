/** A browser window with probes in it: what a person who looks at the page would feel, in milliseconds. */

import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'

const WAIT_MS = 60_000

/** Said by the last message of a conversation, so that it can be told from the others. */
export const LAST_WORD = 'That was the last word.'

/**
 * Runs in the page before its own code. `lastWordAt`: a promise of when the last word stood in sight, from the navigation
 * on; null when it did not come. `longTasks`: whatever held the page's thread for over 50 ms. `keys`: from a key's event
 * to the next paint, when over 16 ms, in the steps of 8 ms that the browser tells. A string, since it is the browser that
 * reads it.
 */
const PROBES = `(() => {
  const probes = { longTasks: [], keys: [] }
  probes.lastWordAt = new Promise((resolve) => {
    setTimeout(resolve, ${WAIT_MS}, null)
    const look = () => {
      const texts = [...document.querySelectorAll('[role=log] p')]
      const last = texts.findLast((text) => text.textContent.includes(${JSON.stringify(LAST_WORD)}))
      const box = last?.getBoundingClientRect()
      const isSeen = box !== undefined && box.height > 0 && box.top >= 0 && box.bottom <= innerHeight
      requestAnimationFrame(isSeen ? resolve : look)
    }
    requestAnimationFrame(look)
  })
  globalThis.keelsonProbes = probes
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) probes.longTasks.push({ startTime, duration })
  }).observe({ type: 'longtask', buffered: true })
  new PerformanceObserver((list) => {
    for (const { name, duration } of list.getEntries()) if (name === 'keydown') probes.keys.push(duration)
  }).observe({ type: 'event', durationThreshold: 16, buffered: true })
})()`

/** A browser that is signed in to the instance. Whoever opens it closes it. */
export class PageBrowser {
  readonly #browser: Browser
  readonly #url: string
  readonly #cookies: Awaited<ReturnType<BrowserContext['cookies']>>

  private constructor(browser: Browser, url: string, cookies: Awaited<ReturnType<BrowserContext['cookies']>>) {
    this.#browser = browser
    this.#url = url
    this.#cookies = cookies
  }

  /** `setupUrl` is used up by this. */
  static async open(url: string, setupUrl: string, executablePath: string): Promise<PageBrowser> {
    const browser = await chromium.launch({
      executablePath,
      args: process.getuid?.() === 0 ? ['--no-sandbox', '--disable-gpu'] : ['--disable-gpu'],
    })
    try {
      const context = await browser.newContext({ baseURL: url })
      const page = await context.newPage()
      await page.goto(setupUrl)
      await page.getByRole('textbox', { name: 'Message to the agent' }).waitFor({ timeout: WAIT_MS })
      const cookies = await context.cookies()
      await context.close()
      return new PageBrowser(browser, url, cookies)
    } catch (error) {
      await browser.close()
      throw error
    }
  }

  /** A window without anything in its cache, where `use` works; closed afterwards. */
  async window<T>(use: (window: PageWindow) => Promise<T>): Promise<T> {
    const context = await this.#browser.newContext({ baseURL: this.#url, viewport: { width: 1440, height: 900 } })
    try {
      await context.addCookies(this.#cookies)
      await context.addInitScript({ content: PROBES })
      const page = await context.newPage()
      page.setDefaultTimeout(WAIT_MS)
      return await use(new PageWindow(page))
    } finally {
      await context.close()
    }
  }

  async close(): Promise<void> {
    await this.#browser.close()
  }
}

export class PageWindow {
  readonly page: Page

  constructor(page: Page) {
    this.page = page
  }

  /** From the navigation that this page began with to the paint that showed the last word. */
  async lastWordMs(): Promise<number> {
    const at = await this.page.evaluate<number | null>('keelsonProbes.lastWordAt')
    if (at === null) throw new Error(`the last word was not in sight within ${WAIT_MS} ms`)
    return at
  }

  /** Goes to another address without loading the page anew, as a click in the navigation does. */
  async go(path: string): Promise<void> {
    const script = `history.pushState(null, '', ${JSON.stringify(path)}); dispatchEvent(new PopStateEvent('popstate'))`
    await this.page.evaluate(script)
  }

  /** The page's own clock, for `longestTaskMs`. */
  async now(): Promise<number> {
    return await this.page.evaluate<number>('performance.now()')
  }

  /** The longest task that began after `since`; 0 when none took over 50 ms. */
  async longestTaskMs(since: number): Promise<number> {
    const script = `Math.max(0, ...keelsonProbes.longTasks.filter((task) => task.startTime >= ${since}).map((task) => task.duration))`
    return await this.page.evaluate<number>(script)
  }

  /** The longest time from a key to the paint that followed it; 0 when none took over 16 ms. */
  async longestKeyMs(): Promise<number> {
    return await this.page.evaluate<number>('Math.max(0, ...keelsonProbes.keys)')
  }

  /** What lives on the JavaScript heap after a garbage collection, in bytes. */
  async heapBytes(): Promise<number> {
    const session = await this.page.context().newCDPSession(this.page)
    try {
      await session.send('HeapProfiler.collectGarbage')
      const { usedSize } = await session.send('Runtime.getHeapUsage')
      return usedSize
    } finally {
      await session.detach()
    }
  }
}
