import { cleanText } from '../agent/tools/clean-text.ts'
import { detectChecks } from '../review/checks.ts'
import { fence } from '../review/fence.ts'
import type { Extractor } from './extractors/extractor.ts'
import { go } from './extractors/go.ts'
import { make } from './extractors/make.ts'
import { node } from './extractors/node.ts'
import { python } from './extractors/python.ts'
import { rust } from './extractors/rust.ts'
import type { ProjectFiles } from './project-files.ts'
import { cutToTokens, estimateTokens } from './tokens.ts'

const EXTRACTORS: readonly Extractor[] = [node, python, go, rust, make]
const RULES_FILES = ['AGENTS.md', 'CLAUDE.md', 'REVIEW.md']

/** The whole stays within this; sections are filled in order of how much they change what an agent does. */
export const MAX_CONTEXT_TOKENS = 1_500
const MAX_FACTS_TOKENS = 450
const MAX_RULES_TOKENS = 700
const MAX_README_TOKENS = 200
const README_LINES = 40
const MIN_SECTION_TOKENS = 40
const MAX_TREE_LINES = 80

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
  for (const [name, text] of rulesFiles(files)) {
    add(quoted(`## ${name}`, text, Math.min(MAX_RULES_TOKENS, left())))
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
  const facts = EXTRACTORS.flatMap((extract) => extract(files)).map((fact) => `- ${cleanText(fact)}`)
  if (facts.length === 0) return null
  return `## Facts\n${cutToTokens(facts.join('\n'), MAX_FACTS_TOKENS).text}`
}

function checksSection(files: ProjectFiles): string {
  const checks = detectChecks(files).slice(0, 6)
  if (checks.length === 0) return '## Checks\nNo check commands were found.'
  return `## Checks\nRun these before you end; the harness runs them too:\n${checks.map((check) => `- ${check.name}: \`${check.command}\``).join('\n')}`
}

/** The project's rules, a file that repeats another left out. */
function rulesFiles({ texts }: ProjectFiles): [string, string][] {
  const seen = new Set<string>()
  return RULES_FILES.flatMap((name): [string, string][] => {
    const text = texts.get(name)?.trim()
    if (text === undefined || text === '' || seen.has(text)) return []
    seen.add(text)
    return [[name, text]]
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
