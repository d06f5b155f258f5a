import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { screenshot } from '../../support/browser.ts'
import { copyPackage, giveTo } from '../../support/copy-package.ts'
import { workspaceOf } from '../../support/held-command.ts'
import { waitFor } from '../../support/wait-for.ts'
import { aPlace, openAt, tab, type Workbench } from '../pages.ts'

const INDEX = `<!doctype html><html lang="en"><head><title>Own page</title></head>
<body><h1 id="text"></h1><script type="module" src="/main.js"></script></body></html>`
const main = (text: string) => `document.getElementById('text').textContent = ${JSON.stringify(text)}
if (import.meta.hot) import.meta.hot.accept()
`

/** What a page finds out about us, run inside the hostile frame: each try with its result, or the name of its failure. */
const spyOn = (ours: string) => `(async () => {
  const tried = async (work) => {
    try {
      return String(await work())
    } catch (error) {
      return error.name
    }
  }
  const ours = ${JSON.stringify(ours)} + '/api/projects'
  return {
    cookie: await tried(() => document.cookie),
    read: await tried(async () => (await fetch(ours, { credentials: 'include' })).status),
    write: await tried(async () => (await fetch(ours, { method: 'POST', credentials: 'include', body: '{}' })).status),
    parent: await tried(() => window.parent.document.title),
    opener: await tried(() => window.opener),
    storage: await tried(() => window.parent.localStorage.length),
    own: await tried(async () => (await fetch('/main.js')).status),
  }
})()`

/** Leads the whole window elsewhere, if it may. */
const leadTo = (url: string) => `(() => {
  const link = Object.assign(document.createElement('a'), { href: ${JSON.stringify(url)}, target: '_top' })
  document.body.append(link)
  link.click()
})()`

/** A project's own dev server, seen beside the work. */
export function previewsSuite(bench: Workbench): void {
  describe('previews', () => {
    test('Vite’s dev server is started, seen, changed while it is looked at, and finds nothing of ours', async () => {
      const { projectId, path } = await aPlace(bench)
      // Asking for its files makes the workspace.
      await bench.stack.api.get(`/api/workspace/${projectId}/files`)
      const workspace = workspaceOf(bench.stack, projectId)
      copyPackage('vite', workspace)
      const write = (name: string, text: string) => {
        writeFileSync(join(workspace, name), text)
        giveTo(statSync(workspace), join(workspace, name))
      }
      write('index.html', INDEX)
      write('main.js', main('first words'))
      const { page, watch, context } = await openAt(bench, path)
      watch.expect(/request to http:\/\/svc-[0-9a-z]+\.preview\.localhost/)
      // What the browser says about what the hostile page tries.
      watch.expect(/CORS policy|Failed to load resource|ERR_FAILED|Content Security Policy|sandboxed|request to /)
      await tab(page, 'Preview').click()
      await page.getByRole('textbox', { name: 'Command' }).fill('node node_modules/vite/bin/vite.js --port 5321')
      await screenshot(page, 'preview-start-1440-light')
      await page.getByRole('button', { name: 'Start', exact: true }).click()
      await page.getByText('listening', { exact: true }).waitFor({ timeout: 60_000 })
      const inside = page.frameLocator('iframe[title^="Preview of"]')
      await inside.getByText('first words').waitFor({ timeout: 30_000 })
      await screenshot(page, 'preview-1440-light')
      const frame = await waitFor(
        () => page.frames().find((each) => each.url().includes('.preview.')),
        'the frame is there',
      )
      await frame.evaluate('window.isSamePage = true')
      // Vite tells nobody of a change that comes before its watcher and the page's connection are ready: save until it is seen.
      await waitFor(async () => {
        write('main.js', main('second words'))
        await setTimeout(500)
        return (await inside.getByText('second words').count()) > 0
      }, 'the change is seen')
      expect(await frame.evaluate('window.isSamePage')).toBe(true)

      const found: unknown = await frame.evaluate(spyOn(bench.stack.state().url))
      expect(found).toEqual({
        cookie: '',
        read: 'TypeError',
        write: 'TypeError',
        parent: 'SecurityError',
        opener: 'null',
        storage: 'SecurityError',
        own: '200',
      })
      await frame.evaluate(leadTo(bench.stack.state().url))

      const opening = context.waitForEvent('page')
      await page.getByRole('button', { name: 'Open in a new window' }).click()
      const opened = await opening
      await opened.getByText('second words').waitFor()
      expect([new URL(opened.url()).pathname, await opened.evaluate('window.opener')]).toEqual(['/', null])
      await opened.close()

      await page.getByRole('button', { name: 'Show the log' }).click()
      await page.getByLabel('Log of the service').getByText('http://localhost:5321/').waitFor()
      await page.getByRole('button', { name: 'Stop', exact: true }).click()
      await page.getByText('stopped', { exact: true }).waitFor()
      await page.locator('iframe[title^="Preview of"]').waitFor({ state: 'detached' })
      await page.getByLabel('Log of the service').waitFor()
      await screenshot(page, 'preview-stopped-1440-light')
      expect(watch.problems).toEqual([])
      await context.close()
    })
  })
}
