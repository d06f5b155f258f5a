import type { Session } from './session.ts'
import { UsageError } from './usage-error.ts'

/**
 * Whether a person lets a command (`verb`) change the files: `--yes` says so beforehand, else `question` is put. A no is told.
 * Throws {@link UsageError} where nobody can be asked.
 */
export async function confirmChange(session: Session, question: string, verb: string): Promise<boolean> {
  if (session.options.yes) return true
  const answer = await session.confirm(question)
  if (answer === null) throw new UsageError(`Nobody can be asked here: add --yes to ${verb}.`)
  if (!answer) session.printer.note('Nothing was changed.', 'dim')
  return answer
}
