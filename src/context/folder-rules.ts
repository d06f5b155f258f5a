/** The rules that folders below the root have for what lies in them. */

import { MAX_PROSE_BYTES } from '../project/input-files.ts'
import { readInput } from '../project/read-input.ts'
import { type RulesFile, withImports } from '../project/rules-files.ts'
import type { Sandbox } from '../sandbox/types.ts'
import { kindAnywhere } from '../shared/places.ts'
import { cleanText } from '../shared/text/clean-text.ts'
import { fence } from '../shared/text/fence.ts'
import { cutToTokens } from '../shared/text/tokens.ts'

const FOLDER_RULES = ['AGENTS.md', 'CLAUDE.md']
/** Directories between a file and the root that are asked; deeper ones are asked nearest first. */
const MAX_DEPTH = 12
/** What is installed or kept by tools has rules for others. */
const isOthers = (name: string) => name === 'vendor' || kindAnywhere(name) !== null
const MAX_FILE_TOKENS = 1_500
const MAX_TOTAL_TOKENS = 4_000

/** The directories below the root in which these files lie, each once, outermost first. Pure. */
export function foldersOf(paths: readonly string[]): string[] {
  const folders = new Set<string>()
  for (const path of paths) {
    const names = path.split('/').slice(0, -1)
    for (let depth = 1; depth <= Math.min(names.length, MAX_DEPTH); depth++) {
      if (isOthers(names[depth - 1] ?? '')) break
      folders.add(names.slice(0, depth).join('/'))
    }
  }
  return [...folders].sort()
}

/**
 * The rules files of a folder (`AGENTS.md`, `CLAUDE.md`), each with what it imports by `@path`; one that repeats another is left out.
 * Links that stay in the workspace are followed. Bounded as {@link withImports} is. Safe to repeat.
 */
export async function readFolderRules(sandbox: Sandbox, folder: string): Promise<RulesFile[]> {
  const given: RulesFile[] = []
  for (const name of FOLDER_RULES) {
    const path = `${folder}/${name}`
    const input = await readInput(sandbox, path, MAX_PROSE_BYTES)
    const isNew = input !== null && input.text.trim() !== '' && !given.some((file) => file.text === input.text)
    if (isNew && !input.text.includes('\0')) given.push({ path, text: input.text })
  }
  return given.length === 0 ? [] : await withImports(sandbox, given)
}

/** What the model is told of a folder's rules, at most about 4,000 tokens. Pure. */
export function folderRulesText(folder: string, files: readonly RulesFile[]): string {
  let left = MAX_TOTAL_TOKENS
  const parts = files.map(({ path, text, importedBy }) => {
    const { text: kept, cut } = cutToTokens(cleanText(text.trim()), Math.min(MAX_FILE_TOKENS, Math.max(0, left)))
    left -= Math.min(MAX_FILE_TOKENS, Math.ceil(kept.length / 4))
    const title = importedBy === undefined ? path : `${path} (named in ${importedBy})`
    return `## ${cleanText(title).replaceAll('\n', ' ')}\n${fence(kept, 'text')}${cut ? '\n(cut here; read the file for the rest)' : ''}`
  })
  const name = cleanText(folder).replaceAll('\n', ' ')
  return [
    `Notice: the folder ${name} has rules of its own for what lies in it, quoted from the project.`,
    ...parts,
  ].join('\n\n')
}
