import { detectChecks } from '../project/detect-checks.ts'
import { code, type Extractor } from '../project/extractors/extractor.ts'
import { go } from '../project/extractors/go.ts'
import { make } from '../project/extractors/make.ts'
import { node, parsePackageJson } from '../project/extractors/node.ts'
import { python } from '../project/extractors/python.ts'
import { rust } from '../project/extractors/rust.ts'
import { PACKAGE_SIGNS } from '../project/input-files.ts'
import type { ProjectFiles } from '../project/project-files.ts'
import { cleanText } from '../shared/text/clean-text.ts'
import { fence } from '../shared/text/fence.ts'
import { cutToTokens, estimateTokens } from '../shared/text/tokens.ts'

const EXTRACTORS: readonly Extractor[] = [node, python, go, rust, make]

/** The whole stays within this; sections are filled in order of how much they change what an agent does. */
export const MAX_CONTEXT_TOKENS = 1_500
const MAX_FACTS_TOKENS = 450
const MAX_RULES_TOKENS = 700
const MAX_README_TOKENS = 200
const README_LINES = 40
const MIN_SECTION_TOKENS = 40
const MAX_TREE_LINES = 80
const MAX_PACKAGES = 8

const HEADER =
  '# Project context\nCollected by the harness from the project’s files. What stands between fences is quoted from them.'

/** The project context as Markdown, at most about 1,500 tokens. Pure: the same files give the same bytes. */
export function renderContext(files: ProjectFiles): string {
  const sections: string[] = [HEADER]
  const left = () => MAX_CONTEXT_TOKENS - estimateTokens(sections.join('\n\n')) - sections.length
  const add = (section: string | null) => {
    if (section !== null) sections.push(section)
  }
  add(factsSection(files))
  add(checksSection(files))
  for (const [title, text] of rulesFiles(files)) {
    add(quoted(`## ${title}`, text, Math.min(MAX_RULES_TOKENS, left())))
  }
  const readme = [...files.texts].find(([name]) => /^readme/i.test(name))
  if (readme !== undefined) {
    const head = readme[1].split('\n').slice(0, README_LINES).join('\n').trim()
    add(quoted(`## ${readme[0]} (its beginning)`, head, Math.min(MAX_README_TOKENS, left())))
  }
  add(treeSection(files, left()))
  return `${sections.join('\n\n')}\n`
}

function factsSection(files: ProjectFiles): string | null {
  const own = EXTRACTORS.flatMap((extract) => extract(files))
  const large = files.tooLarge.map((path) => `${code(path)} is larger than 2 MiB and was not read`)
  const facts = [...own, ...large, ...packageFacts(files)].map((fact) => `- ${cleanText(fact)}`)
  if (facts.length === 0) return null
  return `## Facts\n${cutToTokens(facts.join('\n'), MAX_FACTS_TOKENS).text}`
}

/** One line for each package below the root, so that their number and their scripts are known. */
function packageFacts({ packages }: ProjectFiles): string[] {
  const lines = packages.slice(0, MAX_PACKAGES).map(({ directory, names, texts }) => {
    const scripts = Object.keys(parsePackageJson(texts.get('package.json'))?.scripts ?? {}).slice(0, 8)
    const signs = [...names].filter((name) => PACKAGE_SIGNS.has(name)).sort()
    return `Package in ${code(directory)} (${signs.join(', ')})${scripts.length === 0 ? '' : `; scripts ${scripts.map(code).join(', ')}`}`
  })
  return packages.length > MAX_PACKAGES ? [...lines, `and ${packages.length - MAX_PACKAGES} more packages`] : lines
}

function checksSection(files: ProjectFiles): string {
  const { checks: all, leftOut } = detectChecks(files)
  const checks = all.slice(0, 6)
  const reasons = leftOut.slice(0, 4).map(({ name, reason }) => ` ${cleanText(name)}: ${cleanText(reason)}.`)
  if (checks.length === 0) return `## Checks\nNo check commands were found.${reasons.join('')}`
  return `## Checks\nRun these before you end; the harness runs them too:\n${checks.map((check) => `- ${check.name}: \`${check.command}\``).join('\n')}`
}

/** The project's rules with what they import, a file that repeats another left out. */
function rulesFiles({ rules }: ProjectFiles): [title: string, text: string][] {
  const seen = new Set<string>()
  return rules.flatMap(({ path, text, importedBy }): [string, string][] => {
    const plain = text.trim()
    if (plain === '' || seen.has(plain)) return []
    seen.add(plain)
    const name = cleanText(path).replaceAll('\n', ' ')
    return [[importedBy === undefined ? name : `${name} (named in ${importedBy})`, plain]]
  })
}

function quoted(title: string, text: string, maxTokens: number): string | null {
  const overhead = estimateTokens(title) + 20
  if (maxTokens - overhead < MIN_SECTION_TOKENS) return null
  const part = cutToTokens(cleanText(text), maxTokens - overhead)
  if (part.text.trim() === '') return null
  return `${title}\n${fence(part.text, 'text')}${part.cut ? '\n(cut here; read the file for the rest)' : ''}`
}

function treeSection(files: ProjectFiles, maxTokens: number): string | null {
  if (maxTokens < MIN_SECTION_TOKENS) return null
  const lines = files.tree.slice(0, MAX_TREE_LINES).map(({ path, name, kind }) => {
    const indent = '  '.repeat(path.split('/').length - 1)
    return `${indent}${cleanText(name).replaceAll('\n', ' ')}${kind === 'directory' ? '/' : ''}`
  })
  if (lines.length === 0) return '## Files\nThe project is empty.'
  const part = cutToTokens(lines.join('\n'), maxTokens - 30)
  const isCut = part.cut || files.treeTruncated || files.tree.length > MAX_TREE_LINES
  return `## Files (to depth 3)\n${fence(part.text, 'text')}${isCut ? '\n(not all; use glob)' : ''}`
}
