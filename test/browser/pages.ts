import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { newWindow, type PageWatch } from '../support/browser.ts'
import type { TestStack } from '../support/stack.ts'

type Cookies = Awaited<ReturnType<BrowserContext['cookies']>>

/** A running instance and a browser that is signed in to it. */
export interface Workbench {
  readonly stack: TestStack
  readonly browser: Browser
  /** Of the sign-in, set by the first test: the link works once. */
  cookies: Cookies
  /** Where the sample project's story stands, played to its approval by the first test; later ones only look at it. */
  storyPath: string
}

export interface Window {
  readonly context: BrowserContext
  readonly page: Page
  readonly watch: PageWatch
}

/** A signed-in window at an address of the instance; `closed` by whoever opened it. */
export async function openAt(bench: Workbench, path: string, options: BrowserContextOptions = {}): Promise<Window> {
  const window = await newWindow(bench.browser, bench.stack.state().url, options)
  await window.context.addCookies(bench.cookies)
  await window.page.goto(path)
  return window
}

/** A project with a conversation, and its address. */
export async function aPlace(
  bench: Workbench,
  source: object = { kind: 'empty' },
): Promise<{ projectId: string; conversationId: string; path: string }> {
  const projectId = await bench.stack.api.newProject(source)
  const conversationId = await bench.stack.api.newConversation(projectId)
  return { projectId, conversationId, path: `/p/${projectId}/c/${conversationId}` }
}

export const composer = (page: Page) => page.getByRole('textbox', { name: 'Message to the agent' })
export const thread = (page: Page) => page.getByRole('log', { name: 'Conversation' })
export const tab = (page: Page, name: string) => page.getByRole('tab', { name: new RegExp(`^${name}`) })

/** Types a message and sends it with Enter. */
export async function say(page: Page, message: string): Promise<void> {
  await composer(page).fill(message)
  await composer(page).press('Enter')
}

/** How the newest task ended, as its card says. */
export async function ending(page: Page, text: RegExp | string): Promise<void> {
  await thread(page).getByText(text).last().waitFor({ timeout: 60_000 })
}
