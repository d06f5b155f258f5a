import type { ToldRestore } from '../db/workspace/restores.ts'

const SHOWN_PATHS = 20

/** What the model is told at its next task about files that went back without it. Pure. */
export function restoreNotices(restores: readonly ToldRestore[]): string[] {
  return restores.map((restore) => {
    const { kind, fromLabel, isPartial, files, changed } = restore
    if (kind === 'fork') {
      return `Notice: this conversation was forked at the checkpoint ${quote(fromLabel)}. The files are as they were then; whatever was done later is not in them.`
    }
    if (kind === 'alternative') return choiceNotice(restore)
    if (kind === 'sync') {
      return `Notice: since your last task the user merged upstream changes (${fromLabel}) into the files. What you remember of them may no longer hold; read before you edit.${changedBy(files, changed)}`
    }
    const what = isPartial ? 'chosen files' : 'the files'
    const whose = kind === 'undo' ? 'the user undid a task and so put' : 'the user put'
    return `Notice: since your last task ${whose} ${what} back to the checkpoint ${quote(fromLabel)}. What you remember of them may no longer hold; read before you edit.${changedBy(files, changed)}`
  })
}

/** The next task must know what was done where it was not: the request, the last words, the change. */
function choiceNotice({ fromLabel, chosen, files, changed }: ToldRestore): string {
  if (chosen === undefined) {
    return `Notice: the user compared alternatives to your last task and kept its own result.${changedBy(files, changed)}`
  }
  const said = chosen.words === '' ? 'It said nothing at its end.' : `Its last words: ${quote(chosen.words)}`
  return `Notice: the user had the request ${quote(chosen.request)} tried again, from the files before it, and chose ${fromLabel} in the place of your result. The files are as that try left them; what you remember of your own change does not hold, so read before you edit. ${said}${changedBy(files, changed)}`
}

function changedBy(files: number, changed: readonly string[]): string {
  if (files === 0) return ''
  return ` Changed by that: ${changed.slice(0, SHOWN_PATHS).join(', ')}${files > SHOWN_PATHS ? ', …' : ''} (${files} in all).`
}

function quote(text: string): string {
  return JSON.stringify(text)
}
