/** The nouns of a restore, and what people are told of it. Pure. */

import type { DiffStat } from './task.ts'

/**
 * Why the files of a project moved without a task. `fork` goes with a new conversation, which is made when the files are
 * there. `sync` is what a merge of upstream changes is called once it has ended, see `db/workspace/syncs.ts`; until then it
 * is the restore that would take it back. `alternative` puts what a comparison chose into effect.
 */
export type RestoreKind = 'restore' | 'undo' | 'fork' | 'sync' | 'alternative'

interface DoneRestore {
  readonly kind: RestoreKind
  /** The label of the checkpoint, or what was synced with. */
  readonly fromLabel: string
  /** Null: all files. */
  readonly paths: readonly string[] | null
}

const MAX_LABEL_CHARACTERS = 200

const VERBS = {
  restore: 'restored to',
  undo: 'undone to',
  fork: 'forked from',
  sync: 'synced with',
  alternative: 'chosen',
} as const satisfies Record<RestoreKind, string>

/** The label of the checkpoint of what was there before a restore and in no checkpoint yet. */
export const OUTSIDE_LABEL = 'changed outside tasks, before the files went back'

/** The label of the checkpoint that a restore leaves, at most 200 characters. */
export function restoreLabel({ kind, fromLabel }: Pick<DoneRestore, 'kind' | 'fromLabel'>): string {
  return [...`${VERBS[kind]}: ${fromLabel}`].slice(0, MAX_LABEL_CHARACTERS).join('')
}

/** What people read in the conversation of a restore that is done. */
export function restoreNote({ kind, fromLabel, paths }: DoneRestore, stat: DiffStat): string {
  const changed = stat.files === 1 ? '1 file changed' : `${stat.files} files changed`
  switch (kind) {
    case 'undo':
      return `The last task was undone (${changed}): the files are as they were “${fromLabel}”.`
    case 'fork':
      return `Forked from the checkpoint “${fromLabel}”: the files are as they were then (${changed}).`
    case 'sync':
      return `The files were synced with ${fromLabel} (${changed}).`
    case 'alternative':
      return `${capital(fromLabel)} was chosen: the files are as it left them (${changed}).`
    case 'restore':
      return paths === null
        ? `The files were restored to the checkpoint “${fromLabel}” (${changed}).`
        : `${paths.length === 1 ? 'A chosen path was' : `${paths.length} chosen paths were`} restored to the checkpoint “${fromLabel}” (${changed}).`
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** What people read first in the conversation of a project that was forked from another. */
export function forkNote(projectName: string, fromLabel: string): string {
  return `Forked from the project “${projectName}” at the checkpoint “${fromLabel}”.`
}
