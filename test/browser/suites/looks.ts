import { AxeBuilder } from '@axe-core/playwright'
import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { screenshot } from '../../support/browser.ts'
import { aPlace, ending, openAt, say, tab, type Workbench } from '../pages.ts'

const TABS = ['Changes', 'Terminal', 'Files', 'Context', 'Review', 'Checkpoints', 'Metrics', 'Environment', 'Preview']
const SIZES = [
  { width: 360, height: 740 },
  { width: 1440, height: 900 },
] as const

/** What axe calls serious or worse, as words that lead to the place. */
async function seriousFindings(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze()
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(' ')}: ${node.html.slice(0, 120)}`))
}

/** How far the page reaches beyond its window, in pixels. */
async function overflow(page: Page): Promise<number> {
  return await page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth')
}

/** Every region in both themes and two widths: readable by everybody, and nothing hangs out. */
export function looksSuite(bench: Workbench): void {
  describe('the looks', () => {
    test.each(['light', 'dark'] as const)(
      '%s: no serious finding of axe on any tab, at two widths',
      async (colorScheme) => {
        const { path } = await aPlace(bench, { kind: 'sample' })
        const findings: string[] = []
        const problems: string[] = []
        for (const size of SIZES) {
          const { page, watch, context } = await openAt(bench, path, { viewport: size, colorScheme })
          const isNarrow = size.width < 768
          const name = `${size.width}-${colorScheme}`
          if (isNarrow) await say(page, 'Find out why a test fails and fix the bug.')
          await ending(page, /^Approved$/)
          await screenshot(page, `thread-${name}`)
          findings.push(...(await seriousFindings(page)).map((finding) => `${name} thread ${finding}`))
          if (isNarrow) await page.getByRole('button', { name: 'Work', exact: true }).click()
          for (const title of TABS) {
            await tab(page, title).click()
            // Something stands there, and it is not what says that more will come.
            await page.getByRole('tabpanel').locator('> *').first().waitFor()
            await page.getByRole('tabpanel').locator('[role=status]:has-text("Loading")').waitFor({ state: 'detached' })
            findings.push(...(await seriousFindings(page)).map((finding) => `${name} ${title} ${finding}`))
            await screenshot(page, `${title.toLowerCase()}-${name}`)
            if (title === 'Review') {
              await page.getByRole('button', { name: 'Evidence', exact: true }).click()
              await page.getByRole('heading', { name: 'What ran' }).waitFor()
              findings.push(...(await seriousFindings(page)).map((finding) => `${name} evidence ${finding}`))
              await screenshot(page, `evidence-${name}`)
            }
            const wide = await overflow(page)
            if (wide > 0) findings.push(`${name} ${title} hangs out by ${wide} px`)
          }
          problems.push(...watch.problems)
          await context.close()
        }
        expect({ findings, problems }).toEqual({ findings: [], problems: [] })
      },
    )
  })
}
