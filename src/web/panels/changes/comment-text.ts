import type { PatchLine } from '../../../shared/patch.ts'

const MAX_QUOTED = 400

/**
 * A person's word on a line of the diff as the agent reads it: the file, the line's number and the line itself come first,
 * so that it is understood without the diff. `isPast`: the line is of an earlier checkpoint than the newest files. Pure.
 */
export function commentText(path: string, line: PatchLine, comment: string, { isPast = false } = {}): string {
  const where =
    line.after === null
      ? `line ${line.before} as it was before the change, which removed it`
      : `line ${line.after}${line.kind === 'added' ? ', which the change added or rewrote' : ''}`
  const when = isPast ? ', as the file was at an earlier checkpoint' : ''
  const quoted = line.text.length > MAX_QUOTED ? `${line.text.slice(0, MAX_QUOTED)}…` : line.text
  return `About ${path}, ${where}${when}:\n\n> ${quoted}\n\n${comment.trim()}`
}
