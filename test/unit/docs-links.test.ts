import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const LINK = /\[[^\]]*\]\(([^)\s]+)(?: "[^"]*")?\)/g
const IS_ELSEWHERE = /^[a-z][a-z+.-]*:/i

/** README and its neighbours, and all of docs. */
async function documents(): Promise<string[]> {
  const top = (await readdir(ROOT)).filter((name) => name.endsWith('.md'))
  const docs = (await readdir(join(ROOT, 'docs'), { recursive: true })).filter((name) => name.endsWith('.md'))
  return [...top, ...docs.map((name) => join('docs', name))].map((name) => join(ROOT, name))
}

/** The text without code, in which brackets are no links and hash signs no headings. */
function proseOf(text: string): string {
  return text.replace(/^(```|~~~)[\s\S]*?^\1/gm, '')
}

/** The anchors of its headings, as hosts of repositories make them. */
function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>()
  for (const [, heading = ''] of proseOf(text).matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const plain = heading.replace(LINK, (whole) => whole.slice(1, whole.indexOf(']'))).toLowerCase()
    const anchor = plain.replace(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-')
    const taken = [...anchors].filter((known) => known === anchor || known.startsWith(`${anchor}-`)).length
    anchors.add(anchors.has(anchor) ? `${anchor}-${taken}` : anchor)
  }
  return anchors
}

test('each relative link of README and docs leads to a file that is there, and to a heading in it', async () => {
  const broken: string[] = []
  let count = 0
  for (const file of await documents()) {
    const text = await readFile(file, 'utf8')
    for (const [, link = ''] of proseOf(text)
      .replace(/`[^`\n]*`/g, '')
      .matchAll(LINK)) {
      if (IS_ELSEWHERE.test(link)) continue
      count++
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? file : join(dirname(file), decodeURIComponent(path))
      const isThere = existsSync(target)
      const hasHeading = anchor === undefined || (isThere && anchorsOf(await readFile(target, 'utf8')).has(anchor))
      if (!isThere || !hasHeading) broken.push(`${relative(ROOT, file)}: ${link}`)
    }
  }
  expect(broken).toEqual([])
  expect(count).toBeGreaterThan(10)
})

test('each command of package.json that README, AGENTS.md and docs name is there', async () => {
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { scripts: object }
  const known = new Set([...Object.keys(scripts), 'test', 'start', 'stop'])
  const unknown: string[] = []
  for (const file of await documents()) {
    if (file.endsWith('CHANGELOG.md')) continue
    for (const [, name = ''] of (await readFile(file, 'utf8')).matchAll(/\bnpm run ([a-z][a-z:-]*)/g))
      if (!known.has(name)) unknown.push(`${relative(ROOT, file)}: npm run ${name}`)
  }
  expect(unknown).toEqual([])
})

test('each source file that AGENTS.md, docs/architecture.md and docs/lessons.md name is there', async () => {
  const missing: string[] = []
  for (const name of ['AGENTS.md', 'docs/architecture.md', 'docs/lessons.md']) {
    for (const [, path = ''] of (await readFile(join(ROOT, name), 'utf8')).matchAll(
      /`([a-z0-9./-]+\/[a-z0-9.-]+\.(?:ts|tsx|mjs))`/g,
    ))
      if (![ROOT, join(ROOT, 'src')].some((at) => existsSync(join(at, path)))) missing.push(`${name}: ${path}`)
  }
  expect(missing).toEqual([])
})
