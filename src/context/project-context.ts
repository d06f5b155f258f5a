import { createHash } from 'node:crypto'
import { type ProjectFiles, readProjectFiles, sourcesOf } from '../project/project-files.ts'
import type { Sandbox } from '../sandbox/types.ts'
import { estimateTokens } from '../shared/text/tokens.ts'
import { renderContext } from './render-context.ts'

/** Where the context lies in the sandbox; no input of itself, and not part of diffs and checkpoints. */
export const CONTEXT_FILE = '.claude/project-context.md'

/** Counted up when the same files would be rendered differently, so that a stored context of older code is not used. */
const FORMAT_VERSION = 2

/** What a model is told of a project before it has looked at anything; the same inputs give the same bytes. */
export interface ProjectContext {
  /** At most about 1,500 tokens. */
  readonly markdown: string
  /** SHA-256 in hex of the inputs: equal hashes mean equal Markdown. */
  readonly hash: string
  readonly tokens: number
  /** Paths of the files it was made from, sorted. */
  readonly sources: readonly string[]
}

/** Collects the facts of a project. Only reads, bounded as {@link readProjectFiles} is; safe to repeat. */
export async function collectProjectContext(sandbox: Sandbox): Promise<ProjectContext> {
  const files = await readProjectFiles(sandbox)
  const markdown = renderContext(files)
  return { markdown, hash: hashOf(files), tokens: estimateTokens(markdown), sources: sourcesOf(files) }
}

/** The hash that `collectProjectContext` would give now, without rendering: compare it to decide whether to collect. */
export async function contextInputHash(sandbox: Sandbox): Promise<string> {
  return hashOf(await readProjectFiles(sandbox))
}

function hashOf({ tree, treeTruncated, rootNames, texts, tooLarge, rules, packages }: ProjectFiles): string {
  const inputs = {
    version: FORMAT_VERSION,
    tree: tree.map(({ path, kind }) => [path, kind]),
    treeTruncated,
    rootNames: [...rootNames].sort(),
    texts: sorted(texts),
    tooLarge,
    rules: rules.map(({ path, text }) => [path, text]),
    packages: packages.map((entry) => [entry.directory, [...entry.names].sort(), sorted(entry.texts)]),
  }
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex')
}

function sorted(texts: ReadonlyMap<string, string>): (readonly [string, string])[] {
  return [...texts].sort(([a], [b]) => (a < b ? -1 : 1))
}
