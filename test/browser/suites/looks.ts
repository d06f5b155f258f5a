import { AxeBuilder } from '@axe-core/playwright'
import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { screenshot } from '../../support/browser.ts'
import { waitFor } from '../../support/wait-for.ts'
import { ending, openAt, tab, type Workbench } from '../pages.ts'

const TABS = ['Changes', 'Terminal', 'Files', 'Context', 'Review', 'Checkpoints', 'Metrics', 'Environment', 'Preview']
const SIZES = [
  { width: 360, height: 740 },
  { width: 1440, height: 900 },
] as const
/** The only rules that look at colours; all others find the same in both themes. */
const COLOUR_RULES = ['color-contrast', 'link-in-text-block']

const ARE_COLOURS_THERE = `document.getAnimations().every((one) =>
  one.playState !== 'running' || one.effect.getComputedTiming().iterations === Infinity)`

/** What axe calls serious or worse in a part of the page, as words that lead to the place: in both themes. */
async function seriousFindings(page: Page, name: string, part = 'body'): Promise<string[]> {
  const found: string[] = []
  for (const theme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    // A colour on its way is none of the theme's.
    await waitFor(() => page.evaluate<boolean>(ARE_COLOURS_THERE), 'all colours are there')
    await screenshot(page, `${name}-${theme}`)
    // In the page itself, without a blank one for each look; what is well is not told.
    const builder = new AxeBuilder({ page })
      .include(part)
      .options({ resultTypes: ['violations'] })
      .setLegacyMode()
    if (theme === 'dark') builder.withRules(COLOUR_RULES)
    const { violations } = await builder.analyze()
    found.push(
      ...violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .flatMap(({ id, nodes }) =>
          nodes.map((node) => `${name} ${theme} ${id}: ${node.target.join(' ')}: ${node.html.slice(0, 120)}`),
        ),
    )
  }
  return found
}

/** How far the page reaches beyond its window, in pixels. */
async function overflow(page: Page): Promise<number> {
  return await page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth')
}

/** Every region in both themes and two widths: readable by everybody, and nothing hangs out. */
export function looksSuite(bench: Workbench): void {
  describe('the looks', () => {
    test('no serious finding of axe on any tab, in both themes at two widths', async () => {
      const looked = await Promise.all(
        SIZES.map(async (viewport) => {
          const { page, watch, context } = await openAt(bench, bench.storyPath, { viewport })
          const isNarrow = viewport.width < 768
          await ending(page, /^Approved$/)
          const findings = await seriousFindings(page, `thread-${viewport.width}`)
          if (isNarrow) await page.getByRole('button', { name: 'Work', exact: true }).click()
          for (const [index, title] of TABS.entries()) {
            await tab(page, title).click()
            // Something stands there, and it is not what says that more will come.
            await page.getByRole('tabpanel').locator('> *').first().waitFor()
            await page.getByRole('tabpanel').locator('[role=status]:has-text("Loading")').waitFor({ state: 'detached' })
            const name = `${title.toLowerCase()}-${viewport.width}`
            // What stands around the tabs is the same at all of them.
            findings.push(...(await seriousFindings(page, name, index === 0 ? 'body' : '[role=tabpanel]')))
            if (title === 'Review') {
              await page.getByRole('button', { name: 'Evidence', exact: true }).click()
              await page.getByRole('heading', { name: 'What ran' }).waitFor()
              findings.push(...(await seriousFindings(page, `evidence-${viewport.width}`, '[role=tabpanel]')))
            }
            const wide = await overflow(page)
            if (wide > 0) findings.push(`${name} hangs out by ${wide} px`)
          }
          await context.close()
          return { findings, problems: watch.problems }
        }),
      )
      expect(looked).toEqual(SIZES.map(() => ({ findings: [], problems: [] })))
    })
  })
}
