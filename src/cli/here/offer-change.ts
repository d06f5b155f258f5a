import { ApiError } from '../api.ts'
import { clean } from '../clean-text.ts'
import type { Session } from '../session.ts'
import { applyChange } from './apply-change.ts'

/** Offers a task's change for the directory that its files came from, and applies it when it is wanted. Throws `ApiError`. */
export async function offerChange(session: Session, dir: string, taskId: string): Promise<void> {
  const { api, options, printer } = session
  const patch = await changeOf(session, taskId)
  if (patch === null) {
    printer.note(`Nothing in ${clean(dir)} has to change.`, 'dim')
    return
  }
  const wanted = options.yes || (await session.confirm(`Apply the change to ${dir}?`))
  if (wanted !== true) {
    const { url } = await api.instance()
    printer.note(
      `Nothing was changed in ${clean(dir)}. --yes applies it; the change is at ${url}/api/tasks/${taskId}/patch`,
    )
    if (options.json) session.writeJson({ type: 'here.change', taskId, status: 'not_applied' })
    return
  }
  const applied = await applyChange(dir, patch)
  if (options.json) session.writeJson({ type: 'here.change', taskId, ...applied })
  switch (applied.status) {
    case 'applied':
      printer.note(`Applied to ${clean(dir)}; git diff shows it.`, 'green')
      return
    case 'conflicts':
      printer.note(`Applied to ${clean(dir)} with conflict marks in ${clean(applied.paths.join(', '))}.`, 'red')
      return
    case 'refused':
      printer.note(
        `The files in ${clean(dir)} are others by now (${clean(applied.why)}). Nothing was changed; the patch is ${applied.patchFile}`,
        'red',
      )
  }
}

/** null when git would keep nothing of it, or the task came to nothing. */
async function changeOf({ api }: Session, taskId: string): Promise<Uint8Array | null> {
  try {
    return await api.download(`/api/tasks/${encodeURIComponent(taskId)}/patch`)
  } catch (error) {
    if (error instanceof ApiError && error.code === 'no_changes') return null
    throw error
  }
}
