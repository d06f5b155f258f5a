/** Checkpoints in the terminal: listed, and gone back to. */

import type { CheckpointAnswer, DiffAnswer } from './answers.ts'
import { cleanLine } from './clean-text.ts'
import { confirmChange } from './confirm-change.ts'
import { EXIT } from './exit-codes.ts'
import type { Session } from './session.ts'
import { showFiles } from './show.ts'
import { UsageError } from './usage-error.ts'

const PAGE = 200
const MAX_PAGES = 50
/** The newest that are listed; the page lists all. */
const MAX_SHOWN = 30
const DESCRIPTION_CHARACTERS = 60

interface CheckpointPage {
  readonly items: readonly CheckpointAnswer[]
  readonly nextAfter: string | null
}

/** `/checkpoints`: the newest 30, newest last. Throws `ApiError`. */
export async function checkpoints(session: Session): Promise<number> {
  const found = await allCheckpoints(session)
  if (session.options.json) session.writeJson(found)
  else if (found.length === 0) session.printer.note('There are no checkpoints yet; a task’s first step makes one.')
  for (const { id, createdAt, label, stat } of session.options.json ? [] : found.slice(-MAX_SHOWN)) {
    const when = cleanLine(createdAt).slice(0, 16).replace('T', ' ')
    session.printer.note(`  ${cleanLine(id)}  ${when}  +${stat.added} −${stat.removed}`, 'dim')
    session.printer.note(`    ${cleanLine(label, DESCRIPTION_CHARACTERS)}`)
  }
  return EXIT.good
}

/** `/restore ID`: the files go back to a checkpoint, once a person has seen what that changes. Throws `ApiError`, {@link UsageError}. */
export async function restoreTo(session: Session, checkpointId: string): Promise<number> {
  const { api, options, printer, project } = session
  if (checkpointId === '') throw new UsageError('/restore takes the id of a checkpoint; /checkpoints lists them.')
  const id = encodeURIComponent(checkpointId)
  const newest = (await allCheckpoints(session)).at(-1)
  if (newest !== undefined) {
    const range = `from=${encodeURIComponent(newest.id)}&to=${id}`
    const path = `/api/workspace/${encodeURIComponent(project.id)}/diff?${range}`
    showFiles(printer, await api.insist<DiffAnswer>('GET', path))
  }
  if (!(await confirmChange(session, 'Take the files back to this checkpoint?', 'restore'))) return EXIT.bad
  const done = await api.call<{ checkpoint: { id: string } }>('POST', `/api/checkpoints/${id}/restore`, {})
  if (options.json) session.writeJson(done)
  printer.note(`Restored; recorded as ${cleanLine(done.checkpoint.id)}, which can be gone back from too.`, 'green')
  return EXIT.good
}

/** Oldest first, at most 10,000. */
async function allCheckpoints({ api, project }: Session): Promise<readonly CheckpointAnswer[]> {
  const found: CheckpointAnswer[] = []
  let after = ''
  for (let page = 0; page < MAX_PAGES; page++) {
    const query = `limit=${PAGE}&after=${encodeURIComponent(after)}`
    const path = `/api/workspace/${encodeURIComponent(project.id)}/checkpoints?${query}`
    const { items, nextAfter } = await api.insist<CheckpointPage>('GET', path)
    found.push(...items)
    if (nextAfter === null) break
    after = nextAfter
  }
  return found
}
