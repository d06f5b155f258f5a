import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

/** Where Chromium is; undefined where the tests' start found none and could not install one. */
export const BROWSER_PATH = process.env['KEELSON_TEST_BROWSER']

/** Why the browser tests are skipped where there is no browser. */
export const NO_BROWSER = 'this machine cannot run them: install a browser (sudo apt-get install -y chromium)'

/** Chromium without a window. Its sandbox needs an ordinary user; pages here come from this checkout alone. */
export async function launchBrowser(): Promise<Browser> {
  return await chromium.launch({
    executablePath: BROWSER_PATH ?? 'chromium',
    args: process.getuid?.() === 0 ? ['--no-sandbox', '--disable-gpu'] : ['--disable-gpu'],
  })
}

/** What a page did that it should not: words on the console, errors, requests to anywhere else. */
export class PageWatch {
  readonly problems: string[] = []
  readonly #origin: string
  readonly #expected: RegExp[] = []

  constructor(context: BrowserContext, origin: string) {
    this.#origin = origin
    context.on('page', (page) => this.#watch(page))
  }

  /** For tests that take something away on purpose: what the browser itself says about it. */
  expect(pattern: RegExp): void {
    this.#expected.push(pattern)
  }

  #watch(page: Page): void {
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.#note(`console ${message.type()}: ${message.text()}`)
    })
    page.on('pageerror', (error) => this.#note(`uncaught: ${error.message}`))
    page.on('request', (request) => {
      const url = new URL(request.url())
      if (url.origin !== this.#origin && url.protocol.startsWith('http')) this.#note(`request to ${request.url()}`)
    })
  }

  #note(problem: string): void {
    if (!this.#expected.some((pattern) => pattern.test(problem))) this.problems.push(problem)
  }
}

/** A browser window of its own, without anything remembered, that is watched. */
export async function newWindow(
  browser: Browser,
  origin: string,
  options: BrowserContextOptions = {},
): Promise<{ context: BrowserContext; page: Page; watch: PageWatch }> {
  const context = await browser.newContext({ baseURL: origin, viewport: { width: 1440, height: 900 }, ...options })
  const watch = new PageWatch(context, origin)
  const page = await context.newPage()
  page.setDefaultTimeout(20_000)
  return { context, page, watch }
}

/** Writes what the page looks like to `KEELSON_SCREENSHOTS`, when that is set. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env['KEELSON_SCREENSHOTS']
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`) })
}

/** Both themes, wide and narrow, for whoever looks at the screenshots. */
export async function screenshotLooks(
  page: Page,
  name: string,
  widths: readonly number[] = [1440, 360],
): Promise<void> {
  if (process.env['KEELSON_SCREENSHOTS'] === undefined) return
  for (const width of widths) {
    await page.setViewportSize({ width, height: width === 360 ? 740 : 900 })
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await screenshot(page, `${name}-${width}-${colorScheme}`)
    }
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null })
  await page.setViewportSize({ width: 1440, height: 900 })
}
