/** The page as a person uses it, in a real browser, on a whole running instance. */

import { afterAll, beforeAll, beforeEach } from 'vitest'
import { BROWSER_PATH, launchBrowser, NO_BROWSER } from '../support/browser.ts'
import { TestStack } from '../support/stack.ts'
import type { Workbench } from './pages.ts'
import { credentialsSuite } from './suites/credentials.ts'
import { firstMinuteSuite } from './suites/first-minute.ts'
import { hostileTextSuite } from './suites/hostile-text.ts'
import { longConversationSuite } from './suites/long-conversation.ts'
import { looksSuite } from './suites/looks.ts'
import { panelsSuite } from './suites/panels.ts'
import { previewsSuite } from './suites/previews.ts'
import { steeringSuite } from './suites/steering.ts'
import { troubleSuite } from './suites/trouble.ts'

const bench = {} as { -readonly [Key in keyof Workbench]: Workbench[Key] }

beforeAll(async () => {
  if (BROWSER_PATH === undefined) return
  const [stack, browser] = await Promise.all([new TestStack().start(), launchBrowser()])
  Object.assign(bench, { stack, browser, cookies: [] })
})
beforeEach(({ skip }) => skip(BROWSER_PATH === undefined, NO_BROWSER))
afterAll(async () => {
  await bench.browser?.close()
  await bench.stack?.stop()
})

// The first signs in; the last ones kill parts of the instance.
firstMinuteSuite(bench)
steeringSuite(bench)
longConversationSuite(bench)
panelsSuite(bench)
previewsSuite(bench)
credentialsSuite(bench)
hostileTextSuite(bench)
looksSuite(bench)
troubleSuite(bench)
