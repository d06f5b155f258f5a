/** The page as a person uses it, in a real browser, on a whole running instance. */

import { afterAll, beforeAll, beforeEach } from 'vitest'
import { BROWSER_PATH, launchBrowser, NO_BROWSER } from '../support/browser.ts'
import type { ForgeStandIn } from '../support/forges/forge.ts'
import { aGitHub } from '../support/forges/github.ts'
import { aGitHost, type GitHostFixture } from '../support/git-host.ts'
import { TestStack } from '../support/stack.ts'
import type { Workbench } from './pages.ts'
import { alternativesSuite } from './suites/alternatives.ts'
import { credentialsSuite } from './suites/credentials.ts'
import { firefoxSuite } from './suites/firefox.ts'
import { firstMinuteSuite } from './suites/first-minute.ts'
import { hostileTextSuite } from './suites/hostile-text.ts'
import { longConversationSuite } from './suites/long-conversation.ts'
import { looksSuite } from './suites/looks.ts'
import { panelsSuite } from './suites/panels.ts'
import { previewsSuite } from './suites/previews.ts'
import { FORGE_TOKEN, publishingSuite } from './suites/publishing.ts'
import { reviewingSuite } from './suites/reviewing.ts'
import { steeringSuite } from './suites/steering.ts'
import { troubleSuite } from './suites/trouble.ts'

let git: GitHostFixture
let forge: ForgeStandIn
const hosts = {} as { git: GitHostFixture; forge: ForgeStandIn }
const bench = {} as { -readonly [Key in keyof Workbench]: Workbench[Key] }

beforeAll(async () => {
  if (BROWSER_PATH === undefined) return
  forge = aGitHub(FORGE_TOKEN, () => git.origin)
  git = await aGitHost(undefined, forge.api)
  Object.assign(hosts, { git, forge })
  const settings = { KEELSON_GIT_ORIGINS: git.origin, KEELSON_EXTRA_CA_FILE: git.caFile }
  const [stack, browser] = await Promise.all([new TestStack({ settings }).start(), launchBrowser()])
  Object.assign(bench, { stack, browser, cookies: [], storyPath: '/' })
})
beforeEach(({ skip }) => skip(BROWSER_PATH === undefined, NO_BROWSER))
afterAll(async () => {
  await bench.browser?.close()
  await bench.stack?.stop()
  await hosts.git?.close()
})

// The first signs in; the last ones kill parts of the instance.
firstMinuteSuite(bench)
firefoxSuite(bench)
steeringSuite(bench)
longConversationSuite(bench)
panelsSuite(bench)
reviewingSuite(bench)
previewsSuite(bench)
credentialsSuite(bench)
alternativesSuite(bench)
publishingSuite(bench, hosts)
hostileTextSuite(bench)
looksSuite(bench)
troubleSuite(bench)
