/** `keelson`: what an installed package puts on the PATH. In a checkout it installs and builds what is missing first. */
import './lib/node-version.mjs'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from './lib/build.mjs'
import { runChat } from './lib/chat.mjs'
import { ensureDependencies } from './lib/dependencies.mjs'
import { inspectHost } from './lib/inspect-host.mjs'
import { createLog } from './lib/log.mjs'
import { chooseModel } from './lib/model-choice.mjs'
import { openBrowser } from './lib/open-browser.mjs'
import { homeOf, isCheckout, ROOT, readSettings } from './lib/paths.mjs'
import { orAborted, runScript } from './lib/run-script.mjs'
import { showStatus } from './lib/show-status.mjs'
import { startInstance } from './lib/start-instance.mjs'
import { stopInstance } from './lib/stop-instance.mjs'

const PROGRAM = join(ROOT, 'dist', 'cli', 'main.js')

await runScript(async (signal) => {
  const settings = readSettings(process.env)
  const home = homeOf(settings)
  const words = process.argv.slice(2)
  // A shell that waits for candidates must not wait for a compiler.
  const isCompleting = words[0] === '__complete'
  if (isCompleting && !existsSync(PROGRAM)) return 0
  if (isCheckout() && !isCompleting) {
    const log = createLog()
    await orAborted(signal, ensureDependencies(ROOT, settings, log))
    await orAborted(signal, build({ root: ROOT, env: settings, log }))
  }
  /** @type {typeof import('../src/cli/main.ts')} */
  const { keelson } = await import(pathToFileURL(PROGRAM).href)
  const version = String(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version)
  const work = keelson(words, {
    home,
    version,
    host: {
      start: ({ json }) => startInstance({ home, settings, json, signal }),
      stop: ({ json }) => stopInstance({ home, json }),
      status: ({ json }) => showStatus({ home, json }),
      chat: (args) => runChat({ home, settings, args, signal }),
      facts: { settings, model: chooseModel(settings), inspect: () => inspectHost({ home, settings, version }) },
      browse: (url) => openBrowser(url, settings),
    },
  })
  // These end by themselves after Ctrl-C: what they started must be ended, or is still to be confirmed.
  return words[0] === 'start' || words[0] === 'chat' ? work : orAborted(signal, work)
})
