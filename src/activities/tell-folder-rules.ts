import { folderRulesText, foldersOf, readFolderRules } from '../context/folder-rules.ts'
import { addContextSources } from '../db/project/contexts.ts'
import type { Attempt } from '../db/task/attempt.ts'
import { addNotice } from '../db/turn/notices.ts'
import type { JournalTurn } from '../db/turn/turns.ts'
import type { Sandbox } from '../sandbox/types.ts'
import { newId } from '../shared/ids.ts'
import { toWorkspacePath } from '../tools/workspace-path.ts'
import type { ActivityDeps } from './deps.ts'

/** Folders that one attempt asks for rules: a task that goes everywhere is told of the first ones. */
const MAX_FOLDERS = 60
const MAX_PATHS = 100
const MAX_COMMAND = 20_000
/** Words of a command that look like a path below the root. */
const CD = /\bcd\s+([\w@./-]+)/g
const PATH_WORD = /(?<![\w./@:-])(?:\.\/)?[\w@.-]+(?:\/[\w@.-]+)+/g

/**
 * Tells the model, at its next turn, the rules of folders that a task touched, once for each file and task, and names them
 * among the sources of its context. Throws `sandbox_*`, `lease_lost`. Safe to repeat.
 */
export function createFolderRules(
  deps: ActivityDeps,
  { attempt, sandbox }: { readonly attempt: Attempt; readonly sandbox: Sandbox },
): (turn: JournalTurn) => Promise<void> {
  const { task } = attempt
  const asked = new Set<string>()
  return async (turn) => {
    for (const folder of foldersOf(touchedBy(turn, sandbox.root))) {
      if (asked.has(folder) || asked.size >= MAX_FOLDERS) continue
      asked.add(folder)
      const files = await readFolderRules(sandbox, folder)
      if (files.length === 0) continue
      const text = folderRulesText(folder, files)
      await addNotice(attempt, {
        id: newId('req'),
        lane: 'coder',
        key: `rules/${encodeURIComponent(folder)}`,
        text,
      })
      if (task.contextHash !== null) {
        const sources = files.map((file) => file.path)
        await addContextSources(deps.db, { projectId: task.projectId, hash: task.contextHash, sources })
      }
    }
  }
}

function wordsIn(command: string): string[] {
  return [...(command.match(PATH_WORD) ?? []), ...[...command.matchAll(CD)].map(([, folder = '']) => `${folder}/.`)]
}

/** Paths in the workspace that a turn's calls name. */
function touchedBy(turn: JournalTurn, root: string): string[] {
  const named = turn.toolCalls.flatMap(({ input }) => {
    const { file_path: file, path, command } = JSON.parse(input) as Readonly<Record<string, unknown>>
    const words = typeof command === 'string' ? wordsIn(command.slice(0, MAX_COMMAND)) : []
    // A directory that is searched counts with what lies in it.
    const searched = typeof path === 'string' ? [`${path}/.`] : []
    return [...(typeof file === 'string' ? [file] : []), ...searched, ...words]
  })
  return named.slice(0, MAX_PATHS).flatMap((path) => {
    const found = toWorkspacePath(path, root)
    return found.ok ? [path.endsWith('/.') ? `${found.path}/.` : found.path] : []
  })
}
